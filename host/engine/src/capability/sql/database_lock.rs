//! The lock under which a database's files are created or moved away, within a process and between processes.

use image_cache_store::process::LockFile;
use image_cache_store::{Directory, names};
use std::fs::TryLockError;
use std::io;
use std::time::{Duration, Instant};

/// How long to wait for a process that creates or quarantines a database: slightly longer than that may take.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the lock. A process holds it while it creates or quarantines a database, so that each side file found under it
/// belongs to an existing database or to none. The lock is released when the file is dropped.
pub(super) fn lock_database_files(directory: &Directory) -> io::Result<LockFile> {
    let file = directory.open_lock_file(names::DATABASE_LOCK)?;
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
