//! The queue of images that are to be fetched.

use super::{CacheInner, ImageCache};
use crate::error::Result;
use image_cache_model::ImageId;
use image_cache_store::{Directory, names};
use std::io;
use std::time::SystemTime;

impl ImageCache {
    /// Puts an image at the end of the queue; false if it is cached, being cached or queued already.
    pub fn queue_image(&self, id: &str) -> Result<bool> {
        self.inner().of_image("queue", id, |directory, id| {
            let _lock = directory.lock()?;
            if directory.cached_file(id)?.is_some() || directory.is_being_written(id)? {
                return Ok(false);
            }
            directory.enqueue(id, SystemTime::now())
        })
    }

    /// The queued images, in the order in which they were queued.
    pub fn queued_images(&self) -> Result<Vec<ImageId>> {
        self.inner().in_directory("read", names::QUEUE, self.inner().directory.queued())
    }

    /// Takes an image out of the queue; whether it was there.
    pub fn delete_queued_image(&self, id: &str) -> Result<bool> {
        self.inner().of_image("remove from the queue", id, Directory::dequeue)
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

impl CacheInner {
    /// Takes cached images out of the queue. A writer that died after it had published an image left it there.
    pub fn dequeue_cached(&self) {
        let directory = &self.directory;
        let dequeue_all = || -> io::Result<()> {
            for id in directory.queued()? {
                if directory.cached_file(&id)?.is_none() {
                    continue;
                }
                // It may be removed and wanted anew meanwhile.
                let _lock = directory.lock()?;
                if directory.cached_file(&id)?.is_some() && directory.dequeue(&id)? {
                    tracing::info!(image = %id, "it is cached: it was taken out of the queue");
                }
            }
            Ok(())
        };
        if let Err(error) = dequeue_all() {
            tracing::warn!(%error, "images that are cached may stay in the queue");
        }
    }
}
