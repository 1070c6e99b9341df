//! The directory's locks: one orders what changes its files, in one process and in many, the other says that the cache is
//! open. The order of all locks is told [elsewhere](super::image_lock).

use super::Directory;
use super::beneath::{create_new, is_other, open_to_write};
use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// How long to wait for a lock that others hold for the length of a driver's call at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });

/// How long a lock may outlive its owner in a program that he was just starting: until that runs, it has his open files.
const FORKING: Duration = Duration::from_millis(500);

/// Between two looks somebody else may make a file, or remove it: so often it is tried again.
const ATTEMPTS: u32 = 8;

/// Holds the directory's lock until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Says that the cache is open, or taken for oneself alone, until it is dropped.
#[derive(Debug)]
pub struct OpenLock {
    _file: File,
}

impl Directory {
    /// Joins those who have the cache open. Waits where somebody has it for himself alone; an error of kind
    /// [`TimedOut`](io::ErrorKind::TimedOut) where that takes too long.
    pub fn open_lock_shared(&self) -> io::Result<OpenLock> {
        let file = self.open_own("users")?;
        let words = "its records are being moved by `image-cache driver migrate`; try again when that is done";
        match wait(|| file.try_lock_shared(), PATIENCE, words) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                // A cache without locks was warned of when it was opened.
                tracing::debug!(error = %e, "nobody is told that the cache is open");
            }
            other => other?,
        }
        Ok(OpenLock { _file: file })
    }

    /// Takes the cache for oneself alone; nothing where anybody has it open.
    pub fn open_lock_exclusive(&self) -> io::Result<Option<OpenLock>> {
        let file = self.open_own("users")?;
        match wait(|| file.try_lock(), FORKING, "") {
            Ok(()) => Ok(Some(OpenLock { _file: file })),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits for the lock, under which no driver is called; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) where another process
    /// sits on it.
    pub fn lock(&self) -> io::Result<DirectoryLock> {
        self.lock_within(PATIENCE)
    }

    /// The same for what can be left undone: waits no longer than `patience`.
    pub fn lock_within(&self, patience: Duration) -> io::Result<DirectoryLock> {
        // Opened anew each time: the lock belongs to the open file, so threads exclude each other, too.
        let file = self.open_own("lock")?;
        let words =
            "another process holds the cache's lock; see who uses .image-cache/lock (fuser, lsof)";
        wait(|| file.try_lock(), patience, words)?;
        Ok(DirectoryLock { _file: file })
    }

    /// Opens a file of `.image-cache/` that lives for its lock or its times; makes it where it is missing.
    pub fn open_own(&self, name: &str) -> io::Result<File> {
        for _ in 0..ATTEMPTS {
            if let Some(file) = open_to_write(&self.own, name)? {
                return Ok(file);
            }
            if is_other(&self.own, name) {
                // Nobody replaces it by himself: two who did so at once would hold two locks.
                let words = format!(".image-cache/{name} is no regular file; remove it by hand");
                return Err(io::Error::other(words));
            }
            match create_new(&self.own, name, self.owner.file_mode()) {
                // What somebody else made is not ours to give away: it may have another name elsewhere.
                Ok(file) => return self.owner.give_to_file(&file).map(|()| file),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!(".image-cache/{name} comes and goes; see who removes it")))
    }
}

/// Tries for a lock until it is had, or `patience` ends with these words.
pub(super) fn wait(
    try_lock: impl Fn() -> Result<(), TryLockError>,
    patience: Duration,
    words: &str,
) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_micros(50);
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let words = format!("waited {} s: {words}", patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
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
    fn who_wants_the_cache_alone_does_not_wait_for_its_users_and_others_wait_for_him() {
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
