//! The exclusive lock on the file of an image. Its writer holds it from the first byte until the image is published, so a file in
//! `incomplete/` without it was left by a dead writer. Eviction takes it, and fails while a reader holds a shared lock.

use super::dir::Dir;
use super::safe_open::open_to_write;
use crate::process::LockFile;
use image_cache_model::ImageId;
use rustix::io::Errno;
use std::fs::TryLockError;
use std::io;

/// Returns the file with an exclusive lock. NFS grants such a lock only on a file that is open for writing.
pub(super) fn lock_exclusive(
    dir: &Dir,
    id: &ImageId,
    file: LockFile,
) -> Result<LockFile, TryLockError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(e)) if Errno::from_io_error(&e) == Some(Errno::BADF) => {
            let opened = LockFile::open_if(|| open_to_write(dir, id.as_str()));
            let opened = opened.map_err(TryLockError::Error)?;
            let opened = opened.ok_or(TryLockError::Error(io::ErrorKind::NotFound.into()))?;
            opened.try_lock().map(|()| opened)
        }
        Err(e) => Err(e),
    }
}
