//! Decides whether an image may be cached, and creates its file in `incomplete/`.

use crate::cache::CacheInner;
use crate::outcome::{CacheFailure, Outcome};
use crate::space;
use image_cache_model::ImageId;
use image_cache_store::{Incomplete, TakeResult};
use std::io;
use std::time::SystemTime;

/// Creates the image's file if the image may be cached; otherwise returns why not.
pub(super) fn admit(
    inner: &CacheInner,
    image_id: &ImageId,
    size: Option<u64>,
) -> Result<Incomplete, Outcome> {
    let failed = |failure| inner.note_failure(image_id, failure);
    let unwritable = |error: io::Error| failed(CacheFailure::Unwritable(error.to_string()));
    let unreadable = |error: io::Error| failed(CacheFailure::Unreadable(error.to_string()));
    // The directory is checked first: for a cached image the driver need not be called.
    if inner.directory.cached_file(image_id).map_err(unreadable)?.is_some() {
        return Err(Outcome::AlreadyCached);
    }
    inner.reconcile();
    let is_cacheable = inner.metadata.is_cacheable(image_id, size, SystemTime::now());
    if !is_cacheable.map_err(|error| failed(CacheFailure::DriverFailed(error.to_string())))? {
        return Err(Outcome::RefusedByDriver);
    }
    match Incomplete::take(&inner.directory, image_id).map_err(unwritable)? {
        TakeResult::Ours(mut file) => match space::reserve(inner, &mut file, size) {
            Ok(()) => Ok(file),
            Err(error) => {
                file.discard();
                Err(unwritable(error))
            }
        },
        TakeResult::AlreadyCached => Err(Outcome::AlreadyCached),
        TakeResult::BeingWritten => Err(Outcome::BeingCached),
    }
}
