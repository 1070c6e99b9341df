//! Reading along while another process writes an image: its file, and what becomes of that.

use super::{Directory, open_regular, same_inode};
use image_cache_model::ImageId;
use std::fs::{File, TryLockError};
use std::io;

/// What has become of a file that was being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterState {
    /// Its writer lives.
    Growing,
    /// It is a cached image: whole, and verified by its writer.
    Published,
    /// Its writer died, or found the bytes to be wrong.
    Gone,
}

impl Directory {
    /// Opens the file that a live writer is filling.
    pub fn open_growing(&self, id: &ImageId) -> io::Result<Option<File>> {
        let Some(file) = open_regular(&self.incomplete, id)? else { return Ok(None) };
        Ok(is_locked(&file)?.then_some(file))
    }

    /// What has become of such a file. Once it is published, it is held against eviction.
    pub fn writer_state(&self, id: &ImageId, file: &File) -> io::Result<WriterState> {
        if !same_inode(&self.base, id, file)? {
            if same_inode(&self.incomplete, id, file)? && is_locked(file)? {
                return Ok(WriterState::Growing);
            }
            // The writer may have published it between the two looks.
            if !same_inode(&self.base, id, file)? {
                return Ok(WriterState::Gone);
            }
        }
        let _ = file.try_lock_shared();
        Ok(WriterState::Published)
    }
}

fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    }
}
