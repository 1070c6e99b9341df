//! What a running statement is interrupted for: the time of the call, memory, and the growth of the database's log.

use super::location::Location;
use super::memory;
use crate::driver::deadline::Deadline;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Every so many looks at the clock, memory and log are looked at, too.
const FULL_CHECK_EVERY: u32 = 10;

/// Shared by a connection and the handlers that SQLite calls while a statement is prepared and runs.
#[derive(Debug)]
pub(super) struct Interrupt {
    deadline: Deadline,
    /// SQLite's memory when the statement that runs began.
    memory_at_start: AtomicI64,
    /// How often SQLite has asked since then whether to go on.
    checks: AtomicU32,
    /// Beside which SQLite's write-ahead log lies, and the bytes that it may have.
    database: Arc<Location>,
    max_log: u64,
    /// The log's bytes after the last commit, as SQLite told them: a look at the file costs a hit a microsecond.
    committed: AtomicU64,
    /// Whether the host's own statements are running, which need no permission.
    host_statement: AtomicBool,
    /// Whether a guest's statement is prepared now, within bounds.
    preparing: AtomicBool,
    /// The weight of the functions that it calls.
    function_weight: AtomicU32,
    /// Whether SQLite wanted to prepare one anew while it ran.
    stale: AtomicBool,
}

impl Interrupt {
    pub fn new(database: &Arc<Location>, max_log: u64, deadline: &Deadline) -> Self {
        Interrupt {
            deadline: deadline.clone(),
            memory_at_start: AtomicI64::new(memory::used()),
            checks: AtomicU32::new(0),
            database: Arc::clone(database),
            max_log,
            // Nobody has looked yet.
            committed: AtomicU64::new(u64::MAX),
            host_statement: AtomicBool::new(true),
            preparing: AtomicBool::new(false),
            function_weight: AtomicU32::new(0),
            stale: AtomicBool::new(false),
        }
    }

    /// A guest's statement is about to run.
    pub fn begin_statement(&self) {
        self.memory_at_start.store(memory::used(), Ordering::Relaxed);
        self.checks.store(0, Ordering::Relaxed);
    }

    /// Whether the time of the call is up: nothing more is begun then. A statement that is short is never asked to stop.
    pub fn deadline_passed(&self) -> bool {
        self.deadline.passed()
    }

    /// The time that the call has left.
    pub fn remaining(&self) -> Duration {
        self.deadline.remaining()
    }

    /// Whether the statement that runs must be interrupted. The clock is looked at each time, since a few steps may be slow
    /// ones; memory and the log seldom: most statements are done before that.
    pub fn check_limits(&self) -> bool {
        let check = self.checks.fetch_add(1, Ordering::Relaxed);
        if self.deadline.passed() {
            return true;
        }
        if self.is_host_statement() || check % FULL_CHECK_EVERY != FULL_CHECK_EVERY - 1 {
            return false;
        }
        memory::is_exceeded(self.memory_at_start.load(Ordering::Relaxed)) || self.log_is_full()
    }

    /// The log had so many bytes after a commit.
    pub fn set_log_bytes(&self, bytes: u64) {
        self.committed.store(bytes, Ordering::Relaxed);
    }

    /// What was undone may have left the log larger than any commit told.
    pub fn forget_log_bytes(&self) {
        self.set_log_bytes(u64::MAX);
    }

    /// Whether the log may have all the bytes that it may have, as far as is known without a look at it.
    pub fn log_may_be_full(&self) -> bool {
        self.committed.load(Ordering::Relaxed) > self.max_log
    }

    /// Whether the log has all the bytes that it may have.
    pub fn log_is_full(&self) -> bool {
        self.database.log_bytes() > self.max_log
    }

    pub fn is_host_statement(&self) -> bool {
        self.host_statement.load(Ordering::Relaxed)
    }

    /// Says whose statements come next.
    pub fn set_host_statement(&self, host_statement: bool) {
        self.host_statement.store(host_statement, Ordering::Relaxed);
    }

    /// Says whether a guest's statement is prepared within bounds from now on.
    pub fn set_preparing(&self, preparing: bool) {
        self.preparing.store(preparing, Ordering::Relaxed);
        if preparing {
            self.function_weight.store(0, Ordering::Relaxed);
        }
    }

    /// The weight of the functions in the statement that was prepared last.
    pub fn function_weight(&self) -> u32 {
        self.function_weight.load(Ordering::Relaxed)
    }

    /// A function of this weight is in the statement that is prepared: the weight of all of them.
    pub fn add_function_weight(&self, weight: u32) -> u32 {
        self.function_weight.fetch_add(weight, Ordering::Relaxed).saturating_add(weight)
    }

    pub fn is_preparing(&self) -> bool {
        self.preparing.load(Ordering::Relaxed)
    }

    /// A statement that runs was prepared for a schema that has changed since.
    pub fn set_stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Whether that was noted since this was asked last.
    pub fn take_stale(&self) -> bool {
        self.stale.swap(false, Ordering::Relaxed)
    }
}
