//! The directory's locks, within a process and between processes: one serialises changes of its files, the other shows that the
//! cache is open. [`image_lock`](super::image_lock) documents the order of all locks.

use super::safe_open::{create_new, is_other, open_to_write};
use super::{Directory, names};
use crate::process::LockFile;
use std::fs::{File, TryLockError};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long to wait for a lock that is held at most during one driver call.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for the directory's lock after a wait that failed, until a wait succeeds: its owner is stuck, and not every
/// operation should wait for the full time.
const STUCK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a lock may outlive its owner in a forked child process, which has the open files until it executes its program.
const FORK_TIMEOUT: Duration = Duration::from_millis(500);

/// Attempts to open or create the file: between the two system calls, another process may create or remove it.
const OPEN_ATTEMPTS: u32 = 8;

/// Holds the directory's lock until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: LockFile,
}

/// Shows until it is dropped that the cache is open (shared), or that one process uses it exclusively. Opening a cache takes the
/// shared lock; moving its records to another driver takes the exclusive lock.
#[derive(Debug)]
pub struct OpenLock {
    _file: LockFile,
}

impl Directory {
    /// Sets the timeout for a lock; the default is 30 s.
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Directory { lock_timeout, ..self }
    }

    /// Shows that this process has the cache open. Waits while another process uses it exclusively; an error of kind
    /// [`TimedOut`](io::ErrorKind::TimedOut) if that takes too long.
    pub fn open_lock_shared(&self) -> io::Result<OpenLock> {
        let file = self.open_lock_file(names::USERS)?;
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

    /// Reserves the cache for this process; `None` if another process has it open.
    pub fn open_lock_exclusive(&self) -> io::Result<Option<OpenLock>> {
        let file = self.open_lock_file(names::USERS)?;
        match wait(|| file.try_lock(), FORK_TIMEOUT, "") {
            Ok(()) => Ok(Some(OpenLock { _file: file })),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits for the lock; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) if another process holds it too long. Do not
    /// call a driver while you hold it.
    pub fn lock(&self) -> io::Result<DirectoryLock> {
        let is_stuck = self.lock_is_stuck.load(Ordering::Relaxed);
        let most = if is_stuck { STUCK_TIMEOUT } else { Duration::MAX };
        // This also applies to publishing: a client waits for its last byte, and the image can be fetched again.
        let locked = self.lock_within(self.lock_timeout.min(most));
        let has_timed_out = locked.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::TimedOut);
        self.lock_is_stuck.store(has_timed_out, Ordering::Relaxed);
        locked
    }

    /// Like [`lock`](Self::lock), for optional work: waits no longer than `timeout`.
    pub fn lock_within(&self, timeout: Duration) -> io::Result<DirectoryLock> {
        // The file is opened for each lock: the lock belongs to the open file, so it also works between threads.
        let file = self.open_lock_file(names::LOCK)?;
        let message = "another process holds the cache's lock; find the process that uses .image-cache/lock (fuser, lsof)";
        wait(|| file.try_lock(), timeout, message)?;
        Ok(DirectoryLock { _file: file })
    }

    /// Opens a file of `.image-cache/`, one of the [`names`], that exists for its lock; creates it if it is missing. A forked child
    /// does not inherit it.
    pub fn open_lock_file(&self, path: &str) -> io::Result<LockFile> {
        LockFile::open(|| self.open_own(path))
    }

    /// Opens a file of `.image-cache/`, one of the [`names`], that exists for its lock or its times; creates it if it is missing.
    pub fn open_own(&self, path: &str) -> io::Result<File> {
        let name = names::in_own(path);
        for _ in 0..OPEN_ATTEMPTS {
            if let Some(file) = open_to_write(&self.own, name)? {
                return Ok(file);
            }
            if is_other(&self.own, name) {
                // It is not replaced: two processes that replace it at once would lock two files.
                let message = format!(".image-cache/{name} is not a regular file; remove it");
                return Err(io::Error::other(message));
            }
            match create_new(&self.own, name, self.owner.file_mode()) {
                // The owner of a file that another process created is not changed: the file may have another hard link.
                Ok(file) => return self.owner.give_to_file(&file).map(|()| file),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!("another process keeps removing .image-cache/{name}")))
    }
}

/// Tries to lock until it succeeds or `timeout` expires; the error then has this message.
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
    use std::sync::atomic::AtomicBool;

    #[test]
    fn an_exclusive_lock_does_not_wait_for_shared_ones_and_they_wait_for_it() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let users = [directory.open_lock_shared(), directory.open_lock_shared()]
            .map(|user| user.expect("it is free"));
        assert!(directory.open_lock_exclusive().expect("there are locks").is_none());
        drop(users);
        let alone = directory.open_lock_exclusive().expect("there are locks").expect("it is free");
        assert!(directory.open_lock_exclusive().expect("there are locks").is_none());
        let released = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _user = directory.open_lock_shared().expect("it is released in time");
                assert!(released.load(Ordering::SeqCst), "the lock was held");
            });
            std::thread::sleep(Duration::from_millis(30));
            released.store(true, Ordering::SeqCst);
            drop(alone);
        });
    }

    #[test]
    fn a_lock_that_is_stuck_is_waited_for_only_shortly_until_it_is_free() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let directory = directory.with_lock_timeout(Duration::from_secs(2));
        let held = directory.lock().expect("it is free");
        for waited in ["waited 2 s", "waited 1 s", "waited 1 s"] {
            let error = directory.lock().expect_err("it is held");
            assert!(error.to_string().starts_with(waited), "{error}");
        }
        drop(held);
        let held = directory.lock().expect("it is free");
        let error = directory.lock().expect_err("it is held");
        assert!(error.to_string().starts_with("waited 2 s"), "{error}");
        drop(held);
    }
}
