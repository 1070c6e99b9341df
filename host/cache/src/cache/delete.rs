//! Removing cached images by name.

use super::ImageCache;
use crate::delete::{RemovedImage, remove_all};
use crate::error::{Error, Result};
use image_cache_store::Directory;

impl ImageCache {
    /// Removes a cached image, file and record; whether it was there. A reader of it reads on to its end.
    pub fn delete_cached_image(&self, id: &str) -> Result<bool> {
        let id = self.inner().image_id(id)?;
        self.inner().flush();
        let images =
            remove_all(self.inner(), std::slice::from_ref(&id), &Directory::remove_cached)?;
        Ok(removed(images)? > 0)
    }

    /// Removes all cached images; how many there were. One that cannot be removed is an error, once all
    /// others are gone.
    pub fn delete_all_cached_images(&self) -> Result<u64> {
        let inner = self.inner();
        inner.flush();
        removed(remove_all(inner, &inner.cached_ids()?, &Directory::remove_cached)?)
    }
}

/// How many images a batch removed; the first that is still there is an error.
fn removed(images: Vec<RemovedImage>) -> Result<u64> {
    let count = |(id, removed): RemovedImage| {
        let was_there = removed.map(|size| u64::from(size.is_some()));
        was_there.map_err(Error::image("delete", &id))
    };
    images.into_iter().map(count).sum()
}
