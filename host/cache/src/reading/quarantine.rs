//! Taking a damaged image out of the cache.

use crate::cache::CacheInner;
use crate::delete::remove_all;
use crate::error::{Error, Result};
use image_cache_model::ImageId;
use image_cache_store::UnlinkedFile;
use std::fs::File;
use std::io;

/// Moves a damaged image to `invalid/`, with the reason, and answers the error for its reader. If the
/// image's name leads to another file by now, that one stays.
pub(crate) fn quarantine(inner: &CacheInner, id: &ImageId, file: &File, reason: String) -> Error {
    match move_to_invalid(inner, id, file, &reason) {
        Ok(QuarantineResult::Away) => {
            inner.metrics.corrupt_images.inc();
            tracing::error!(image = %id, reason, "a cached image is damaged; it was moved to invalid/, fetch it again");
        }
        Ok(QuarantineResult::AlreadyGone) => {
            tracing::warn!(image = %id, reason, "an image that is cached no more is damaged");
        }
        Err(error) => {
            tracing::error!(image = %id, reason, %error, "a cached image is damaged and cannot be moved away; it is refused at every read");
        }
    }
    Error::Corrupt { image_id: id.clone(), reason }
}

enum QuarantineResult {
    Away,
    /// Another process had removed or replaced it.
    AlreadyGone,
}

fn move_to_invalid(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    reason: &str,
) -> Result<QuarantineResult> {
    let images = remove_all(inner, std::slice::from_ref(id), |inner, id| {
        if !inner.directory.is_in_place(id, file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let size = file.metadata()?.len();
        inner.directory.quarantine(id, file, reason)?;
        Ok(Some(UnlinkedFile::new(size, None)))
    })?;
    match images.into_iter().find_map(|image| image.kept) {
        None => Ok(QuarantineResult::Away),
        Some(kept) if kept.kind() == io::ErrorKind::NotFound => Ok(QuarantineResult::AlreadyGone),
        Some(kept) => Err(Error::image("move away", id)(kept)),
    }
}
