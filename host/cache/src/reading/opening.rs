//! Opens a cached image, locks it against eviction, and finds its digests.

use super::load_or_build::{Verifier, load_or_build};
use crate::cache::CacheInner;
use crate::error::{Error, Result};
use image_cache_model::ImageId;
use image_cache_store::integrity::DigestTable;
use image_cache_store::process::{LockFile, LockedDescriptor};
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Attempts to take the lock: a thread that publishes or evicts an image holds it briefly.
const LOCK_ATTEMPTS: u32 = 20;

/// An open image, locked against eviction until this is dropped.
///
/// The drop unlocks it explicitly: a child process that is just being started has the file open too until it executes its
/// program, so closing the file here would leave the lock with the child, and the image would seem to be read.
pub(crate) struct LockedImage {
    /// Dropped before the file.
    locked: LockedDescriptor,
    file: Arc<File>,
}

impl LockedImage {
    fn new(file: LockFile) -> Self {
        let (locked, file) = file.into_parts();
        LockedImage { locked, file: Arc::new(file) }
    }

    pub fn file(&self) -> &Arc<File> {
        &self.file
    }
}

impl Deref for LockedImage {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for LockedImage {
    fn drop(&mut self) {
        // On a file system without locks it fails, and there was none. A forked child has another file in its place.
        if !self.locked.is_inherited() {
            let _ = self.file.unlock();
        }
    }
}

/// Opens the image, and finds the digests of its bytes.
pub(super) fn open_verified(
    inner: &CacheInner,
    id: &ImageId,
) -> Result<Option<(LockedImage, Option<Arc<DigestTable>>)>> {
    while let Some(file) = open_locked(inner, id).map_err(Error::image("open", id))? {
        if !inner.config().verify_reads {
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
pub(crate) fn open_locked(inner: &CacheInner, id: &ImageId) -> io::Result<Option<LockedImage>> {
    let open = || inner.directory.open_cached(id);
    for _ in 0..LOCK_ATTEMPTS {
        let Some(file) = LockFile::open_if(open)? else { return Ok(None) };
        match file.try_lock_shared() {
            Ok(()) => return Ok(Some(LockedImage::new(file))),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            // On a file system without locks the image can be read anyway.
            Err(TryLockError::Error(_)) => return Ok(Some(LockedImage::new(file))),
        }
    }
    Ok(LockFile::open_if(open)?.map(LockedImage::new))
}
