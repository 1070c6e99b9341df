//! Whether an image may be cached, and its place in `incomplete/`.

use crate::cache::CacheInner;
use crate::space;
use image_cache_model::{ImageId, Outcome};
use image_cache_store::{Incomplete, TakeResult};
use std::time::SystemTime;

/// Asks whether the image may be cached, and takes its place if so; otherwise says why not.
pub(super) fn admit(
    inner: &CacheInner,
    image_id: &ImageId,
    size: Option<u64>,
) -> Result<Incomplete, Outcome> {
    let failed = |reason: String| {
        inner.note_failure(image_id, &reason);
        Outcome::CacheFailed(reason)
    };
    let unwritable = |error| failed(format!("cannot write to the cache: {error}"));
    // The directory is asked first: an image that is there needs no driver to say so.
    let cached = inner.directory.cached_file(image_id);
    if cached.map_err(|error| failed(format!("cannot look at the cache: {error}")))?.is_some() {
        return Err(Outcome::AlreadyCached);
    }
    inner.reconcile();
    let is_cacheable = inner.metadata.is_cacheable(image_id, size, SystemTime::now());
    if !is_cacheable.map_err(|error| failed(error.to_string()))? {
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
