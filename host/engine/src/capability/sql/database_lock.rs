//! The lock under which the files of a database are made or moved away, in one process and in many.

use image_cache_store::Directory;
use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// How long to wait for a process that makes a database or quarantines one: as long as that may take, and a little more.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the lock. A process holds it while it makes a database or quarantines one, so that each side file found under it
/// belongs to a database or to none. It ends when the file is dropped.
pub(super) fn lock_database_files(directory: &Directory) -> io::Result<File> {
    let file = directory.open_own("database.lock")?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
