//! The files in `incomplete/` and `invalid/`: of fetches that are running, failed or were aborted.

use super::dir::Dir;
use super::writer_lock::lock_exclusive;
use super::{Directory, FileInfo, image_files, open_regular, remove_regular, same_inode};
use crate::process::LockFile;
use image_cache_model::{ImageId, Leftover, LeftoverState};
use std::fs::TryLockError;
use std::io;

impl Directory {
    /// Whether a live writer is fetching the image.
    pub fn is_being_written(&self, id: &ImageId) -> io::Result<bool> {
        Ok(self.open_growing(id)?.is_some())
    }

    /// Number of files, with or without a live writer.
    pub fn count(&self, state: LeftoverState) -> io::Result<u64> {
        Ok(self.files_in(state)?.len() as u64)
    }

    /// The files without a live writer, in any order.
    pub fn leftovers(&self, state: LeftoverState) -> io::Result<Vec<Leftover>> {
        let mut dead = self.files_in(state)?;
        if state == LeftoverState::Incomplete {
            for file in std::mem::take(&mut dead) {
                if !self.is_being_written(&file.image_id)? {
                    dead.push(file);
                }
            }
        }
        Ok(dead)
    }

    /// Removes a leftover; false if it is gone, or a writer has replaced it.
    pub fn remove_leftover(&self, leftover: &Leftover) -> io::Result<bool> {
        let (dir, id) = (self.leftover_dir(leftover.state), &leftover.image_id);
        let opened = LockFile::open_if(|| open_regular(dir, id))?;
        let Some(file) = opened else { return Ok(false) };
        let file = match lock_exclusive(dir, id, file) {
            Ok(locked) => locked,
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(e)) => return Err(e),
        };
        Ok(same_inode(dir, id, &file)? && remove_regular(dir, id)?)
    }

    fn files_in(&self, state: LeftoverState) -> io::Result<Vec<Leftover>> {
        let files = image_files(self, self.leftover_dir(state))?.into_iter();
        let leftover = |(image_id, FileInfo { size, modified, .. })| Leftover {
            image_id,
            state,
            size,
            modified,
        };
        Ok(files.map(leftover).collect())
    }

    pub(super) fn leftover_dir(&self, state: LeftoverState) -> &Dir {
        match state {
            LeftoverState::Incomplete => &self.incomplete,
            LeftoverState::Invalid => &self.invalid,
        }
    }
}
