//! Quarantines a damaged image.

use crate::cache::CacheInner;
use crate::delete::remove_all;
use crate::error::{Damage, Error, Result};
use crate::events::CacheEvent;
use image_cache_model::{ImageId, RemovalReason};
use image_cache_store::UnlinkedFile;
use std::fs::File;
use std::io;

/// Moves a damaged image to `invalid/`, with the damage, and returns the error for its reader. If the image's name now refers to
/// another file, that file stays.
pub(crate) fn quarantine(inner: &CacheInner, id: &ImageId, file: &File, damage: Damage) -> Error {
    let reason = damage.to_string();
    match move_to_invalid(inner, id, file, &reason) {
        Ok(()) => {
            let (image_id, damage) = (id.clone(), damage.clone());
            inner.events.publish(|| CacheEvent::Damaged { image_id, damage });
            inner.metrics.counters().corrupt_images += 1;
            tracing::error!(image = %id, reason, "a cached image is damaged; it was moved to invalid/; fetch it again");
        }
        // Another process had removed or replaced it.
        Err(Error::Image { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(image = %id, reason, "an image that is no longer cached is damaged");
        }
        Err(error) => {
            tracing::error!(image = %id, reason, %error, "a cached image is damaged and cannot be moved to invalid/; each read fails");
        }
    }
    Error::Corrupt { image_id: id.clone(), damage }
}

/// An error of kind [`NotFound`](io::ErrorKind::NotFound) if the image's name refers to another file, or to none.
fn move_to_invalid(inner: &CacheInner, id: &ImageId, file: &File, reason: &str) -> Result<()> {
    let ids = std::slice::from_ref(id);
    let images = remove_all(inner, ids, RemovalReason::Damaged, &|directory, id| {
        if !directory.is_in_place(id, file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let size = file.metadata()?.len();
        directory.quarantine(id, file, reason)?;
        Ok(Some(UnlinkedFile::new(size, None)))
    })?;
    let kept = images.into_iter().find_map(|(_, removed)| removed.err());
    kept.map_or(Ok(()), |kept| Err(Error::image("quarantine", id)(kept)))
}
