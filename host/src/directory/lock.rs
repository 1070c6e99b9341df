//! The directory's lock, which orders what changes both files and books, in one process and in many.

use super::{Directory, OpenOptions};
use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// How long to wait for a lock that others hold only for the length of a driver's call.
const PATIENCE: Duration = Duration::from_secs(30);

/// Holds the directory's lock until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl Directory {
    /// Waits for the lock; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) where another process
    /// sits on it.
    pub fn lock(&self) -> io::Result<DirectoryLock> {
        self.lock_within(PATIENCE)
    }

    /// The same for what can be left undone: waits no longer than `patience`.
    pub fn lock_within(&self, patience: Duration) -> io::Result<DirectoryLock> {
        // Opened anew each time: the lock belongs to the open file, so threads exclude each other, too.
        let file = self.open_own("lock")?;
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(50);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(DirectoryLock { _file: file }),
                Err(TryLockError::Error(e)) => return Err(e),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!(
                            "another process has held the cache's lock for {} s; see who uses .image-cache/lock (fuser, lsof)",
                            patience.as_secs()
                        ),
                    ));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    /// Opens a file of `.image-cache/` that lives for its lock or its times; makes it where it is missing.
    pub(super) fn open_own(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        match self.own.open_with(name, options.read(true).write(true)) {
            Ok(file) => return Ok(file.into_std()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let file = self.own.open_with(name, options.create(true))?.into_std();
        self.owner.give_to_file(&file)?;
        Ok(file)
    }
}
