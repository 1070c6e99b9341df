//! Taking cached images away: their names at once, their space where there is time for that.

use super::{Directory, lock_alone, open_regular, same_inode, stat_regular, unlink};
use image_cache_model::ImageId;
use std::fs::{File, TryLockError};
use std::io;

/// A file that has left its place. One that was removed is open still: its space is given back when this is dropped,
/// which takes the longer the larger it is (a file system that discards blocks waits for the disk), and so is not for
/// whoever holds a lock.
#[derive(Debug)]
pub struct UnlinkedFile {
    /// Its bytes.
    pub size: u64,
    _space: Option<File>,
}

/// What became of an attempt to evict an image.
#[derive(Debug)]
pub enum EvictResult {
    /// It was removed.
    Evicted(UnlinkedFile),
    /// Somebody has it open: it stays.
    BeingRead,
    /// It was not there any more.
    Gone,
}

impl UnlinkedFile {
    /// A file that lives on elsewhere, or could not be opened, has no space that is to be given back.
    pub fn new(size: u64, space: Option<File>) -> UnlinkedFile {
        UnlinkedFile { size, _space: space }
    }
}

impl Directory {
    /// Removes a cached image; nothing where there is none. Whoever reads it goes on reading.
    pub fn remove_cached(&self, id: &ImageId) -> io::Result<Option<UnlinkedFile>> {
        if self.is_database(id) {
            return Ok(None);
        }
        let Some(stat) = stat_regular(&self.base, id)? else { return Ok(None) };
        // Without the right to read it, it is removed all the same.
        let file = open_regular(&self.base, id).ok().flatten();
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(unlink(&self.base, id.as_str())?.then(|| UnlinkedFile::new(size, file)))
    }

    /// Removes a cached image, unless somebody reads it.
    pub fn evict(&self, id: &ImageId) -> io::Result<EvictResult> {
        let Some(file) = self.open_cached(id)? else { return Ok(EvictResult::Gone) };
        let file = match lock_alone(&self.base, id, file) {
            Ok(locked) => locked,
            Err(TryLockError::WouldBlock) => return Ok(EvictResult::BeingRead),
            Err(TryLockError::Error(e)) => return Err(e),
        };
        let size = file.metadata()?.len();
        if !same_inode(&self.base, id, &file)? || !unlink(&self.base, id.as_str())? {
            return Ok(EvictResult::Gone);
        }
        Ok(EvictResult::Evicted(UnlinkedFile::new(size, Some(file))))
    }
}
