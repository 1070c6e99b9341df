//! The queue of images to fetch.

use super::{CacheInner, ImageCache};
use crate::error::Result;
use image_cache_model::ImageId;
use image_cache_store::{Directory, names};
use std::io;
use std::time::SystemTime;

impl ImageCache {
    /// Adds an image to the end of the queue; false if it is cached, being cached or already queued.
    pub fn queue_image(&self, id: &str) -> Result<bool> {
        self.inner()?.of_image("queue", id, |directory, id| {
            let _lock = directory.lock()?;
            if directory.cached_file(id)?.is_some() || directory.is_being_written(id)? {
                return Ok(false);
            }
            directory.enqueue(id, SystemTime::now())
        })
    }

    /// The queued images, in the order in which they were queued.
    pub fn queued_images(&self) -> Result<Vec<ImageId>> {
        let inner = self.inner()?;
        inner.in_directory("read", names::QUEUE, inner.directory.queued())
    }

    /// Removes an image from the queue; false if it was not queued.
    pub fn delete_queued_image(&self, id: &str) -> Result<bool> {
        self.inner()?.of_image("remove from the queue", id, Directory::dequeue)
    }

    /// Empties the queue and returns the number of removed images.
    pub fn delete_all_queued_images(&self) -> Result<u64> {
        let mut removed = 0;
        for id in self.queued_images()? {
            removed += u64::from(self.delete_queued_image(id.as_str())?);
        }
        Ok(removed)
    }
}

impl CacheInner {
    /// Removes cached images from the queue. A writer that died right after publishing an image leaves it there.
    pub fn dequeue_cached(&self) {
        let directory = &self.directory;
        let dequeue_all = || -> io::Result<()> {
            for id in directory.queued()? {
                if directory.cached_file(&id)?.is_none() {
                    continue;
                }
                // Meanwhile the image may have been removed and queued again.
                let _lock = directory.lock()?;
                if directory.cached_file(&id)?.is_some() && directory.dequeue(&id)? {
                    tracing::info!(image = %id, "it is cached, so it was removed from the queue");
                }
            }
            Ok(())
        };
        if let Err(error) = dequeue_all() {
            tracing::warn!(%error, "cached images may remain in the queue");
        }
    }
}
