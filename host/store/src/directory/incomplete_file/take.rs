//! Becoming the only writer of an image: creates and locks the incomplete file, and replaces the file of a dead writer.

use super::Incomplete;
use crate::directory::safe_open::{create_new, is_regular};
use crate::directory::writer_lock::lock_exclusive;
use crate::directory::{
    Directory, not_regular, open_regular, remove_regular, same_inode, stat_any,
};
use crate::process::LockFile;
use image_cache_model::ImageId;
use rustix::fs::OFlags;
use std::fs::TryLockError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Attempts to take the lock: a process that checks whether a writer is alive holds it briefly.
const TAKE_ATTEMPTS: u32 = 8;

/// The result of [`Incomplete::take`].
#[derive(Debug)]
pub enum TakeResult {
    /// This process writes it.
    Ours(Incomplete),
    /// It is cached.
    AlreadyCached,
    /// Another process or thread writes it.
    BeingWritten,
}

impl Incomplete {
    /// Creates `incomplete/<id>` and locks it. The file of a dead writer is replaced, never written to: its inode may be that of
    /// an image that was published while this process waited for the lock.
    pub fn take(directory: &Arc<Directory>, image_id: &ImageId) -> io::Result<TakeResult> {
        for _ in 0..TAKE_ATTEMPTS {
            if directory.cached_file(image_id)?.is_some() {
                return Ok(TakeResult::AlreadyCached);
            }
            // Detected now, before the whole image is fetched.
            if stat_any(&directory.base, image_id)?.is_some_and(|found| !is_regular(&found)) {
                return Err(not_regular(image_id));
            }
            if let Some(file) = create(directory, image_id)? {
                let (locked, file) = file.into_parts();
                let incomplete = Incomplete {
                    directory: Arc::clone(directory),
                    image_id: image_id.clone(),
                    locked,
                    file: Arc::new(file),
                    size: 0,
                    pending: true,
                    verified: false,
                    reserved: 0,
                    allocated: 0,
                    announced_bytes: false,
                    announced_image: false,
                };
                // It may have been published before the lock was taken.
                if directory.cached_file(image_id)?.is_some() {
                    incomplete.discard();
                    return Ok(TakeResult::AlreadyCached);
                }
                return Ok(TakeResult::Ours(incomplete));
            }
            if !remove_dead_writers_file(directory, image_id)? {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(TakeResult::BeingWritten)
    }
}

/// Creates and locks the file; `None` if it exists already.
fn create(directory: &Directory, image_id: &ImageId) -> io::Result<Option<LockFile>> {
    let mode = directory.owner.file_mode();
    let create = || create_new(&directory.incomplete, image_id.as_str(), mode);
    let file = match LockFile::create(create) {
        Ok(Some(file)) => file,
        // A child may have it open: it is replaced like the file of a dead writer.
        Ok(None) => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(e) => return Err(e),
    };
    match file.try_lock() {
        Ok(()) => {}
        // Before this process locked the new file, another process took it for the file of a dead writer.
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    if !same_inode(&directory.incomplete, image_id, &file)? {
        return Ok(None);
    }
    directory.adopt_owner(&file)?;
    // Followers that read through this handle must not change the access time, which belongs to the records.
    let _ = rustix::fs::fcntl_setfl(&*file, OFlags::NOATIME);
    Ok(Some(file))
}

/// Removes the file of a dead writer; false if the writer is alive.
fn remove_dead_writers_file(directory: &Directory, image_id: &ImageId) -> io::Result<bool> {
    let opened = LockFile::open_if(|| open_regular(&directory.incomplete, image_id))?;
    let Some(file) = opened else {
        return match stat_any(&directory.incomplete, image_id)? {
            None => Ok(true),
            // Another writer created the file between the two system calls.
            Some(found) if is_regular(&found) => Ok(false),
            Some(_) => Err(io::Error::other(format!(
                "incomplete/{image_id} is not a regular file; remove it"
            ))),
        };
    };
    let file = match lock_exclusive(&directory.incomplete, image_id, file) {
        Ok(locked) => locked,
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    };
    if same_inode(&directory.incomplete, image_id, &file)? {
        remove_regular(&directory.incomplete, image_id)?;
    }
    Ok(true)
}
