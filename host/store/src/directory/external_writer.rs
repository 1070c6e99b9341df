//! Follows an image that another process writes: opens its file and reports its state.

use super::{Directory, open_regular, same_inode};
use image_cache_model::ImageId;
use std::fs::{File, TryLockError};
use std::io;

/// The state of a file that another process was writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterState {
    /// Its writer is alive.
    Growing,
    /// It is a cached image: complete, and verified by its writer.
    Published,
    /// Its writer ended without publishing it, or found that the bytes are wrong.
    Gone,
}

impl Directory {
    /// Opens the file that a live writer is writing; `None` if there is none.
    pub fn open_growing(&self, id: &ImageId) -> io::Result<Option<File>> {
        let Some(file) = open_regular(&self.incomplete, id)? else { return Ok(None) };
        Ok(is_locked(&file)?.then_some(file))
    }

    /// The state of such a file. If it is published, this takes a reader's lock on it, so that it is not evicted.
    pub fn poll_writer(&self, id: &ImageId, file: &File) -> io::Result<WriterState> {
        if !same_inode(&self.base, id, file)? {
            if same_inode(&self.incomplete, id, file)? && is_locked(file)? {
                return Ok(WriterState::Growing);
            }
            // The writer may have published it between the two system calls.
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
