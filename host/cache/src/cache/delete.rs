//! Removing cached images by name.

use super::{CacheInner, ImageCache};
use crate::delete::{RemoveResult, RemovedImage, remove_all};
use crate::error::{Error, Result};
use image_cache_model::ImageId;
use std::io;

impl ImageCache {
    /// Removes a cached image, file and record; whether it was there. A reader of it reads on to its end.
    pub fn delete_cached_image(&self, id: &str) -> Result<bool> {
        let id = self.inner().image_id(id)?;
        self.inner().flush();
        let images = remove_all(self.inner(), std::slice::from_ref(&id), delete)?;
        Ok(removed(images)? > 0)
    }

    /// Removes all cached images; how many there were. One that cannot be removed is an error, once all
    /// others are gone.
    pub fn delete_all_cached_images(&self) -> Result<u64> {
        let inner = self.inner();
        inner.flush();
        let ids: io::Result<Vec<ImageId>> = inner
            .directory
            .cached_files()
            .and_then(|files| files.map(|file| Ok(file?.0)).collect());
        let images = remove_all(inner, &inner.in_directory("read", "", ids)?, delete)?;
        removed(images)
    }
}

fn delete(inner: &CacheInner, id: &ImageId) -> RemoveResult {
    inner.directory.remove_cached(id)
}

/// How many images a batch removed; the first that is still there is an error.
fn removed(images: Vec<RemovedImage>) -> Result<u64> {
    let mut removed = 0;
    for image in images {
        if let Some(source) = image.kept {
            return Err(Error::Image { operation: "delete", image_id: image.image_id, source });
        }
        removed += u64::from(image.size.is_some());
    }
    Ok(removed)
}
