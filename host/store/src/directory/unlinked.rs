//! Removes cached images: their names at once, their space when the last handle is closed.

use super::writer_lock::lock_exclusive;
use super::{Directory, open_regular, same_inode, stat_regular, unlink};
use crate::process::LockFile;
use image_cache_model::ImageId;
use std::fs::{File, TryLockError};
use std::io;

/// A file that was removed and is still open. A drop closes the file, and the file system frees its space. That takes longer for
/// a larger file (a file system that discards blocks waits for the disk), so drop it while no lock is held.
#[derive(Debug)]
pub struct UnlinkedFile {
    /// Its bytes.
    pub size: u64,
    _open: Option<File>,
}

impl UnlinkedFile {
    /// `open` is `None` if the file could not be opened.
    pub fn new(size: u64, open: Option<File>) -> UnlinkedFile {
        UnlinkedFile { size, _open: open }
    }
}

impl Directory {
    /// Removes a cached image; `None` if there is none. Readers that have it open can continue.
    pub fn remove_cached(&self, id: &ImageId) -> io::Result<Option<UnlinkedFile>> {
        if self.is_database(id) {
            return Ok(None);
        }
        let Some(stat) = stat_regular(&self.base, id)? else { return Ok(None) };
        // A file that this process may not read is removed, too.
        let file = open_regular(&self.base, id).ok().flatten();
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(unlink(&self.base, id.as_str())?.then(|| UnlinkedFile::new(size, file)))
    }

    /// Removes a cached image unless a reader holds its lock: then it stays, and the error is of kind
    /// [`ResourceBusy`](io::ErrorKind::ResourceBusy).
    pub fn evict(&self, id: &ImageId) -> io::Result<Option<UnlinkedFile>> {
        let Some(file) = LockFile::open_if(|| self.open_cached(id))? else { return Ok(None) };
        let file = match lock_exclusive(&self.base, id, file) {
            Ok(locked) => locked,
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is being read"));
            }
            Err(TryLockError::Error(e)) => return Err(e),
        };
        let size = file.metadata()?.len();
        let is_removed = same_inode(&self.base, id, &file)? && unlink(&self.base, id.as_str())?;
        let (_, file) = file.into_parts();
        Ok(is_removed.then(|| UnlinkedFile::new(size, Some(file))))
    }
}
