//! What a running statement is interrupted for: the time of the call, memory, and the growth of the database's log.

use super::memory::Before;
use crate::driver::Deadline;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shared by a connection and the handlers that SQLite calls while a statement is prepared and runs.
#[derive(Debug)]
pub(super) struct Watch {
    deadline: Deadline,
    before: Mutex<Before>,
    /// SQLite's write-ahead log, and the bytes that it may have.
    log: PathBuf,
    max_log: u64,
    /// Whether the host's own statements are running, which need no permission.
    ours: AtomicBool,
}

impl Watch {
    pub fn new(database: &Path, max_log: u64, deadline: &Deadline) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        Watch {
            deadline: deadline.clone(),
            before: Mutex::new(Before::now()),
            log: log.into(),
            max_log,
            ours: AtomicBool::new(true),
        }
    }

    /// A guest's statement is about to run.
    pub fn begin(&self) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Before::now();
    }

    /// Whether the statement that runs must be interrupted.
    pub fn is_over(&self) -> bool {
        let before = *self.before.lock().unwrap_or_else(PoisonError::into_inner);
        self.deadline.passed() || (!self.is_ours() && (before.is_exceeded() || self.log_is_full()))
    }

    /// Whether the log has all the bytes that it may have.
    pub fn log_is_full(&self) -> bool {
        fs::metadata(&self.log).is_ok_and(|log| log.len() > self.max_log)
    }

    pub fn is_ours(&self) -> bool {
        self.ours.load(Ordering::Relaxed)
    }

    /// Says whose statements come next.
    pub fn set_ours(&self, ours: bool) {
        self.ours.store(ours, Ordering::Relaxed);
    }
}
