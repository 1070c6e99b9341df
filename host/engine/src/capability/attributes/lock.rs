//! The lock under which attributes are changed, within a process and between processes.

use crate::capability::error::{CapabilityError, io_error};
use crate::driver::deadline::Deadline;
use image_cache_store::process::{LockFile, PerProcess};
use image_cache_store::sync::{TimedLock, TimedLockGuard};
use image_cache_store::{Directory, names};
use std::fs::TryLockError;
use std::io;
use std::time::{Duration, Instant};

/// Acquired before the file's lock, so that threads of this process wait for each other without polling.
static IN_PROCESS: PerProcess<TimedLock> = PerProcess::new();

/// A driver's handle of `.image-cache/attributes.lock`, opened at first use.
#[derive(Debug, Default)]
pub(super) struct AttributesLock(Option<LockFile>);

/// Both locks, until this is dropped.
pub(super) struct AttributesLockGuard<'a> {
    file: &'a LockFile,
    _thread: TimedLockGuard<'static>,
}

impl AttributesLock {
    /// Waits for the lock, at most as long as the call may take.
    pub fn hold(
        &mut self,
        directory: &Directory,
        deadline: &Deadline,
    ) -> Result<AttributesLockGuard<'_>, CapabilityError> {
        let until = || Instant::now() + deadline.remaining();
        let thread = IN_PROCESS.get().lock_until(until).ok_or(CapabilityError::Busy)?;
        let file = match &mut self.0 {
            Some(file) => file,
            none => none.insert(open(directory).map_err(|e| io_error(&e))?),
        };
        let mut pause = Duration::from_micros(20);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(AttributesLockGuard { file, _thread: thread }),
                Err(TryLockError::Error(e)) => return Err(io_error(&e)),
                Err(TryLockError::WouldBlock) if deadline.passed() => {
                    return Err(CapabilityError::Busy);
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }
}

impl Drop for AttributesLockGuard<'_> {
    fn drop(&mut self) {
        // Unlocking an open file of the host does not fail; if it does, the next user of this handle has the lock anyway.
        let _ = self.file.unlock();
    }
}

/// Opens the file; creates it if it is missing.
pub(super) fn open(directory: &Directory) -> io::Result<LockFile> {
    directory.open_lock_file(names::ATTRIBUTES_LOCK)
}
