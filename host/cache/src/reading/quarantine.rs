//! Taking a damaged image out of the cache.

use crate::cache::Shared;
use crate::delete::remove_all;
use crate::error::{Error, Result};
use image_cache_model::ImageId;
use image_cache_store::Gone;
use std::fs::File;
use std::io;

/// Moves a damaged image to `invalid/`, with the reason, and answers the error for whoever used it. Where the
/// image's name leads to another file by now, that one stays.
pub(crate) fn condemn(shared: &Shared, id: &ImageId, file: &File, reason: String) -> Error {
    match take_out(shared, id, file, &reason) {
        Ok(Taken::Away) => {
            shared.tally.corrupt_images.one();
            tracing::error!(image = %id, reason, "a cached image is damaged; it was moved to invalid/, fetch it again");
        }
        Ok(Taken::WasGone) => {
            tracing::warn!(image = %id, reason, "an image that is cached no more is damaged");
        }
        Err(error) => {
            tracing::error!(image = %id, reason, %error, "a cached image is damaged and cannot be moved away; it is refused at every read");
        }
    }
    Error::Corrupt { image_id: id.clone(), reason }
}

enum Taken {
    Away,
    /// Somebody else had removed or replaced it.
    WasGone,
}

fn take_out(shared: &Shared, id: &ImageId, file: &File, reason: &str) -> Result<Taken> {
    let images = remove_all(shared, std::slice::from_ref(id), |shared, id| {
        if !shared.directory.is_in_place(id, file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let size = file.metadata()?.len();
        shared.directory.invalidate(id, file, reason)?;
        Ok(Some(Gone::new(size, None)))
    })?;
    match images.into_iter().find_map(|image| image.kept) {
        None => Ok(Taken::Away),
        Some(kept) if kept.kind() == io::ErrorKind::NotFound => Ok(Taken::WasGone),
        Some(kept) => Err(Error::image("move away", id)(kept)),
    }
}
