//! The cached images as a driver's calls access them: in the cache directory, or in memory for a simulation.

use super::attributes::Attributes;
use super::error::{CapabilityError, io_error};
use super::files;
use super::images::{Images, OpenImage};
use super::listing::Listing;
use super::simulated_images::SimulatedImages;
use crate::bindings::image_cache::driver::files as wit;
use std::io;

/// Where the images are.
pub enum ImageAccess {
    /// Files in the cache directory, and their attributes in the driver's name space.
    Files(Images, Attributes),
    /// Images without bytes.
    Simulated(SimulatedImages),
}

impl ImageAccess {
    /// Sets the unpublished file that is being recorded: calls about its image use this file.
    pub fn set_unpublished(&mut self, file: Option<OpenImage>) {
        if let ImageAccess::Files(images, _) = self {
            images.unpublished = file;
        }
    }

    /// Uses a file that the host has open.
    pub fn reuse_open_file(&mut self, opened: OpenImage) {
        if let ImageAccess::Files(images, _) = self {
            images.reuse_open_file(opened);
        }
    }

    /// Closes the files that a call left open.
    pub fn end_call(&mut self) {
        if let ImageAccess::Files(images, _) = self {
            images.end_call();
        }
    }

    pub fn stat(&mut self, id: &str) -> Result<Option<wit::File>, CapabilityError> {
        match self {
            ImageAccess::Files(images, _) => files::stat(images, id),
            ImageAccess::Simulated(images) => images.stat(id),
        }
    }

    pub fn list(&self) -> Result<Listing, CapabilityError> {
        match self {
            ImageAccess::Files(images, _) => {
                images.directory.cached_files().map(Listing::Scan).map_err(|e| io_error(&e))
            }
            ImageAccess::Simulated(images) => Ok(Listing::Simulated(images.list().into_iter())),
        }
    }

    pub fn set_accessed(&mut self, id: &str, at: u64) -> Result<(), CapabilityError> {
        match self {
            ImageAccess::Files(images, _) => files::set_accessed(images, id, at),
            ImageAccess::Simulated(images) => images.set_accessed(id, at),
        }
    }

    /// Whether images can have attributes.
    pub fn has_attributes(&mut self) -> io::Result<bool> {
        match self {
            ImageAccess::Files(images, attributes) => attributes.is_supported(&images.directory),
            ImageAccess::Simulated(_) => Ok(true),
        }
    }

    pub fn attribute(&mut self, id: &str, name: &str) -> Result<Option<Vec<u8>>, CapabilityError> {
        match self {
            ImageAccess::Files(images, attributes) => attributes.get(images, id, name),
            ImageAccess::Simulated(images) => images.attribute(id, name),
        }
    }

    pub fn set_attribute(
        &mut self,
        id: &str,
        name: &str,
        value: &[u8],
    ) -> Result<(), CapabilityError> {
        match self {
            ImageAccess::Files(images, attributes) => attributes.set(images, id, name, value),
            ImageAccess::Simulated(images) => images.set_attribute(id, name, value),
        }
    }

    pub fn remove_attribute(&mut self, id: &str, name: &str) -> Result<(), CapabilityError> {
        match self {
            ImageAccess::Files(images, attributes) => attributes.remove(images, id, name),
            ImageAccess::Simulated(images) => images.remove_attribute(id, name),
        }
    }

    pub fn add_to_attribute(
        &mut self,
        id: &str,
        name: &str,
        delta: i64,
    ) -> Result<i64, CapabilityError> {
        match self {
            ImageAccess::Files(images, attributes) => attributes.add(images, id, name, delta),
            ImageAccess::Simulated(images) => images.add_to_attribute(id, name, delta),
        }
    }
}
