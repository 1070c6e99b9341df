//! The directory's locks, in one process and in many: one serialises changes of its files, the other says that the cache is
//! open. [`image_lock`](super::image_lock) has the order of all locks.

use super::Directory;
use super::safe_open::{create_new, is_other, open_to_write};
use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// How long to wait for a lock that others hold no longer than a driver's call takes.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a lock may outlive its owner in a child process that was just forked: it has the open files until it executes its
/// program.
const FORK_TIMEOUT: Duration = Duration::from_millis(500);

/// Between two system calls another process may make the file, or remove it: this often it is tried again.
const OPEN_ATTEMPTS: u32 = 8;

/// Holds the directory's lock until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Says that the cache is open (shared), or that one process needs it alone (exclusive), until it is dropped. Opening a cache takes
/// the shared one; moving its records to another driver takes the exclusive one.
#[derive(Debug)]
pub struct OpenLock {
    _file: File,
}

impl Directory {
    /// The same directory, with another bound on waiting for a lock: 30 s unless it is set.
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Directory { lock_timeout, ..self }
    }

    /// Says that this process has the cache open. Waits while another process needs it alone; an error of kind
    /// [`TimedOut`](io::ErrorKind::TimedOut) if that takes too long.
    pub fn open_lock_shared(&self) -> io::Result<OpenLock> {
        let file = self.open_own("users")?;
        let message = "its records are being moved by `image-cache driver migrate`; try again when that is done";
        match wait(|| file.try_lock_shared(), self.lock_timeout, message) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                // A warning about a file system without locks is logged when the cache is opened.
                tracing::debug!(error = %e, "other processes cannot see that the cache is open");
            }
            other => other?,
        }
        Ok(OpenLock { _file: file })
    }

    /// Takes the cache for this process alone; `None` if another one has it open.
    pub fn open_lock_exclusive(&self) -> io::Result<Option<OpenLock>> {
        let file = self.open_own("users")?;
        match wait(|| file.try_lock(), FORK_TIMEOUT, "") {
            Ok(()) => Ok(Some(OpenLock { _file: file })),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits for the lock, under which no driver is called; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) if another process
    /// holds it too long.
    pub fn lock(&self) -> io::Result<DirectoryLock> {
        self.lock_within(self.lock_timeout)
    }

    /// The same for work that can be left undone: waits no longer than `timeout`.
    pub fn lock_within(&self, timeout: Duration) -> io::Result<DirectoryLock> {
        // Opened again each time: the lock belongs to the open file, so threads exclude each other, too.
        let file = self.open_own("lock")?;
        let message =
            "another process holds the cache's lock; see who uses .image-cache/lock (fuser, lsof)";
        wait(|| file.try_lock(), timeout, message)?;
        Ok(DirectoryLock { _file: file })
    }

    /// Opens a file of `.image-cache/` that is there for its lock or its times; makes it if it is missing.
    pub fn open_own(&self, name: &str) -> io::Result<File> {
        for _ in 0..OPEN_ATTEMPTS {
            if let Some(file) = open_to_write(&self.own, name)? {
                return Ok(file);
            }
            if is_other(&self.own, name) {
                // It is not replaced: two processes that did so at once would hold two locks.
                let message = format!(".image-cache/{name} is no regular file; remove it by hand");
                return Err(io::Error::other(message));
            }
            match create_new(&self.own, name, self.owner.file_mode()) {
                // A file that another process made keeps its owner: it may have another name elsewhere.
                Ok(file) => return self.owner.give_to_file(&file).map(|()| file),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!(".image-cache/{name} comes and goes; see who removes it")))
    }
}

/// Tries to lock until it succeeds, or `timeout` is over: then the error has this message.
pub(super) fn wait(
    try_lock: impl Fn() -> Result<(), TryLockError>,
    timeout: Duration,
    message: &str,
) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_micros(50);
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let message = format!("waited {} s: {message}", timeout.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn an_exclusive_lock_does_not_wait_for_shared_ones_and_they_wait_for_it() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let users = [directory.open_lock_shared(), directory.open_lock_shared()]
            .map(|user| user.expect("it is free"));
        assert!(directory.open_lock_exclusive().expect("there are locks").is_none());
        drop(users);
        let alone =
            directory.open_lock_exclusive().expect("there are locks").expect("nobody has it open");
        assert!(directory.open_lock_exclusive().expect("there are locks").is_none());
        let released = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _user = directory.open_lock_shared().expect("it is released in time");
                assert!(released.load(Ordering::SeqCst), "it was not alone");
            });
            std::thread::sleep(Duration::from_millis(30));
            released.store(true, Ordering::SeqCst);
            drop(alone);
        });
    }
}
