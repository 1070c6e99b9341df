//! Cached images without bytes, in memory: what a driver sees of the cache while its policy is simulated.

use super::attributes::{MAX_ATTRIBUTES, MAX_VALUE, NameSpace, decimal};
use super::error::CapabilityError;
use super::files::entry;
use crate::bindings::image_cache::driver::files as wit;
use image_cache_model::{ImageId, system_time};
use image_cache_store::FileInfo;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Images that a simulation says are cached. Clones are the same images: the simulation has one, and its driver another.
#[derive(Debug, Clone)]
pub struct SimulatedImages {
    names: NameSpace,
    images: Arc<Mutex<BTreeMap<ImageId, SimulatedImage>>>,
}

#[derive(Debug, Clone)]
struct SimulatedImage {
    info: FileInfo,
    /// Whether it is only about to be cached: it is in no listing.
    is_unpublished: bool,
    attributes: BTreeMap<Box<str>, Box<[u8]>>,
}

impl SimulatedImages {
    /// No images; the driver's attributes are in this name space.
    pub(super) fn new(names: NameSpace) -> Self {
        SimulatedImages { names, images: Arc::default() }
    }

    /// Adds an image that is about to be cached; it is not in listings yet.
    pub fn begin(&self, image_id: &ImageId, size: u64, now: SystemTime) {
        let info = FileInfo { size, modified: now, accessed: now };
        let image = SimulatedImage { info, is_unpublished: true, attributes: BTreeMap::new() };
        self.lock().insert(image_id.clone(), image);
    }

    /// Ends what [`begin`](Self::begin) began: the image is cached.
    pub fn publish(&self, image_id: &ImageId) {
        if let Some(image) = self.lock().get_mut(image_id) {
            image.is_unpublished = false;
        }
    }

    /// Removes an image and its attributes.
    pub fn remove(&self, image_id: &ImageId) {
        self.lock().remove(image_id);
    }

    /// Whether an image is cached.
    pub fn contains(&self, image_id: &ImageId) -> bool {
        self.lock().get(image_id).is_some_and(|image| !image.is_unpublished)
    }

    pub(super) fn stat(&self, id: &str) -> Result<Option<wit::File>, CapabilityError> {
        Ok(self.lock().get(&checked(id)?).map(|image| entry(id, &image.info)))
    }

    pub(super) fn list(&self) -> Vec<(ImageId, FileInfo)> {
        let images = self.lock();
        let published = images.iter().filter(|(_, image)| !image.is_unpublished);
        published.map(|(id, image)| (id.clone(), image.info)).collect()
    }

    pub(super) fn set_accessed(&self, id: &str, at: u64) -> Result<(), CapabilityError> {
        self.with(id, |image| {
            image.info.accessed = system_time(at);
            Ok(())
        })
    }

    pub(super) fn attribute(
        &self,
        id: &str,
        name: &str,
    ) -> Result<Option<Vec<u8>>, CapabilityError> {
        let name = self.names.full(name)?;
        self.with(id, |image| Ok(image.attributes.get(&*name).map(|value| value.to_vec())))
    }

    pub(super) fn set_attribute(
        &self,
        id: &str,
        name: &str,
        value: &[u8],
    ) -> Result<(), CapabilityError> {
        if value.len() > MAX_VALUE {
            return Err(CapabilityError::TooLarge);
        }
        let name = self.names.full(name)?;
        self.with(id, |image| image.set(&name, value))
    }

    pub(super) fn remove_attribute(&self, id: &str, name: &str) -> Result<(), CapabilityError> {
        let name = self.names.full(name)?;
        self.with(id, |image| {
            image.attributes.remove(&*name);
            Ok(())
        })
    }

    pub(super) fn add_to_attribute(
        &self,
        id: &str,
        name: &str,
        delta: i64,
    ) -> Result<i64, CapabilityError> {
        let name = self.names.full(name)?;
        self.with(id, |image| {
            let sum = image.attributes.get(&*name).map_or(0, |value| decimal(value));
            let sum = sum.saturating_add(delta);
            image.set(&name, sum.to_string().as_bytes())?;
            Ok(sum)
        })
    }

    /// Works on one image, which must exist.
    fn with<T>(
        &self,
        id: &str,
        work: impl FnOnce(&mut SimulatedImage) -> Result<T, CapabilityError>,
    ) -> Result<T, CapabilityError> {
        let id = checked(id)?;
        self.lock().get_mut(&id).map_or(Err(CapabilityError::NotFound), work)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ImageId, SimulatedImage>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedImage {
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), CapabilityError> {
        if !self.attributes.contains_key(name) && self.attributes.len() >= MAX_ATTRIBUTES {
            return Err(CapabilityError::TooLarge);
        }
        self.attributes.insert(name.into(), value.into());
        Ok(())
    }
}

/// The id, if it is one.
fn checked(id: &str) -> Result<ImageId, CapabilityError> {
    id.parse().map_err(|_| CapabilityError::InvalidArgument)
}
