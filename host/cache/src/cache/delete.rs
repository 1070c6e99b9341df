//! Removes cached images by id.

use super::{CacheInner, ImageCache};
use crate::delete::{RemovedImage, remove_all};
use crate::error::{Error, Result};
use image_cache_model::{ImageId, RemovalReason};
use image_cache_store::Directory;

impl ImageCache {
    /// Removes a cached image with its record; false if it was not cached. Its readers can still read it to the end.
    pub fn delete_cached_image(&self, id: &str) -> Result<bool> {
        let inner = self.inner()?;
        let id = inner.image_id(id)?;
        inner.flush();
        Ok(delete(inner, std::slice::from_ref(&id))? > 0)
    }

    /// Removes all cached images and returns their number. If some cannot be removed, it removes the others and then returns an
    /// error.
    pub fn delete_all_cached_images(&self) -> Result<u64> {
        let inner = self.inner()?;
        inner.flush();
        delete(inner, &inner.cached_ids()?)
    }
}

/// The number of images that were removed, or the error of the first one that was not.
fn delete(inner: &CacheInner, ids: &[ImageId]) -> Result<u64> {
    let images = remove_all(inner, ids, RemovalReason::Deleted, &Directory::remove_cached)?;
    let count = |(id, removed): RemovedImage| {
        let was_there = removed.map(|size| u64::from(size.is_some()));
        was_there.map_err(Error::image("delete", &id))
    };
    images.into_iter().map(count).sum()
}
