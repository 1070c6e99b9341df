//! The queue of images that are to be fetched.

use super::ImageCache;
use crate::error::{Error, Result};
use image_cache_model::ImageId;
use std::time::SystemTime;

impl ImageCache {
    /// Puts an image at the end of the queue; false if it is cached, being cached or queued already.
    pub fn queue_image(&self, id: &str) -> Result<bool> {
        let inner = self.inner();
        let id = inner.image_id(id)?;
        let enqueue = || {
            let _lock = inner.directory.lock()?;
            if inner.directory.cached_file(&id)?.is_some()
                || inner.directory.is_being_written(&id)?
            {
                return Ok(false);
            }
            inner.directory.enqueue(&id, SystemTime::now())
        };
        enqueue().map_err(Error::image("queue", &id))
    }

    /// The queued images, in the order in which they were queued.
    pub fn queued_images(&self) -> Result<Vec<ImageId>> {
        self.inner().in_directory("read", "queue", self.inner().directory.queued())
    }

    /// Takes an image out of the queue; whether it was there.
    pub fn delete_queued_image(&self, id: &str) -> Result<bool> {
        let id = self.inner().image_id(id)?;
        self.inner().directory.dequeue(&id).map_err(Error::image("remove from the queue", &id))
    }

    /// Empties the queue; how many images were in it.
    pub fn delete_all_queued_images(&self) -> Result<u64> {
        let mut removed = 0;
        for id in self.queued_images()? {
            removed += u64::from(self.delete_queued_image(id.as_str())?);
        }
        Ok(removed)
    }
}
