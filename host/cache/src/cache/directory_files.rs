//! Access to the cache directory for other programs: their own small files, and identities of image files.

use super::ImageCache;
use crate::error::{Error, Result};
use image_cache_model::{ImageId, LeftoverState};
use image_cache_store::{Directory, FileIdentity, SmallFiles, names};
use std::io;

impl ImageCache {
    /// A folder of small files in `.image-cache/`, created if it is missing.
    ///
    /// # Errors
    /// If it cannot be created, or another kind of entry has its name.
    pub fn small_files(&self, name: &str) -> io::Result<SmallFiles> {
        self.inner().map_err(io::Error::from)?.directory.small_files(name)
    }

    /// The identity of the cached image's file; `None` if there is none, or if the file system does not store creation times.
    pub fn cached_identity(&self, id: &str) -> Result<Option<FileIdentity>> {
        self.inner()?.of_image("examine", id, Directory::cached_identity)
    }

    /// The identity of the file of a running or interrupted fetch; `None` in the same cases.
    pub fn incomplete_identity(&self, id: &str) -> Result<Option<FileIdentity>> {
        self.inner()?.of_image("examine", id, Directory::incomplete_identity)
    }

    /// Whether the image has a file in this folder, with or without a live writer.
    pub fn has_leftover(&self, id: &ImageId, state: LeftoverState) -> Result<bool> {
        self.inner()?.directory.has_leftover(id, state).map_err(Error::image("look for", id))
    }

    /// Checks that the open directory is still at its path: the cache can read an open directory even after its removal.
    ///
    /// # Errors
    /// [`Error::Directory`] if it is not there, or the check fails.
    pub fn check_in_place(&self) -> Result<()> {
        let inner = self.inner()?;
        inner.in_directory("find", names::INCOMPLETE, inner.directory.check_in_place())
    }
}
