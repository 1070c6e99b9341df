//! Opens a cached image, locks it against eviction, and finds its digests.

use super::load_or_build::{Verifier, load_or_build};
use crate::cache::CacheInner;
use crate::error::{Error, Result};
use image_cache_model::ImageId;
use image_cache_store::integrity::DigestTable;
use std::fs::{File, TryLockError};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Attempts to take the lock: a thread that publishes or evicts an image holds it briefly.
const LOCK_ATTEMPTS: u32 = 20;

/// Opens the image, and finds the digests of its bytes.
pub(super) fn open_verified(
    inner: &CacheInner,
    id: &ImageId,
) -> Result<Option<(File, Option<Arc<DigestTable>>)>> {
    while let Some(file) = open_locked(inner, id).map_err(Error::image("open", id))? {
        if !inner.config.verify_reads {
            return Ok(Some((file, None)));
        }
        match load_or_build(inner, id, &file) {
            Ok(Verifier::By(table)) => return Ok(Some((file, Some(table)))),
            Ok(Verifier::TooLarge) => return Ok(Some((file, None))),
            // Another process has replaced it.
            Ok(Verifier::Gone) => {}
            Err(error @ Error::Metadata { .. }) => {
                tracing::warn!(image = %id, %error, "it has no block digests, and its record cannot be read: it is served without verification");
                return Ok(Some((file, None)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens the image and, if that succeeds at once, locks it against eviction.
pub(crate) fn open_locked(inner: &CacheInner, id: &ImageId) -> io::Result<Option<File>> {
    for _ in 0..LOCK_ATTEMPTS {
        let Some(file) = inner.directory.open_cached(id)? else { return Ok(None) };
        match file.try_lock_shared() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            // On a file system without locks the image can be read anyway.
            Err(TryLockError::Error(_)) => return Ok(Some(file)),
        }
    }
    inner.directory.open_cached(id)
}
