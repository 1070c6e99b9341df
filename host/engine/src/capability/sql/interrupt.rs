//! Interrupts a running statement: because of the call's time, its memory, or the growth of the database's log.

use super::location::Location;
use super::memory;
use crate::driver::deadline::Deadline;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Memory and log are checked at every tenth check of the clock.
const FULL_CHECK_EVERY: u32 = 10;

/// The limits of the statements of one connection, shared with the handlers that SQLite calls while it prepares and runs a
/// statement.
#[derive(Debug)]
pub(super) struct Interrupt {
    /// The call's deadline. After it, no further statement is started, because short statements are never interrupted.
    pub deadline: Deadline,
    /// SQLite's memory when the running statement started.
    memory_at_start: AtomicI64,
    /// SQLite's memory when the running transaction started.
    memory_at_transaction: AtomicI64,
    /// How often SQLite has called the progress handler since then.
    checks: AtomicU32,
    /// The database whose write-ahead log is limited, and the maximum size of the log. A database in memory has no log.
    database: Option<Arc<Location>>,
    max_log: u64,
    /// The log's size after the last commit, as SQLite reports it: a `stat` of the file would cost a hit a microsecond.
    committed: AtomicU64,
    /// Whether a statement of the host is running, which needs no authorisation.
    host_statement: AtomicBool,
    /// Whether a guest's statement is being prepared within limits.
    preparing: AtomicBool,
    /// The weight of the functions that the statement calls.
    function_weight: AtomicU32,
    /// Whether SQLite tried to prepare a statement again while it ran.
    stale: AtomicBool,
}

impl Interrupt {
    pub fn new(database: Option<&Arc<Location>>, max_log: u64, deadline: &Deadline) -> Self {
        Interrupt {
            deadline: deadline.clone(),
            memory_at_start: AtomicI64::new(memory::used()),
            memory_at_transaction: AtomicI64::new(memory::used()),
            checks: AtomicU32::new(0),
            database: database.cloned(),
            max_log,
            // Unknown at the start.
            committed: AtomicU64::new(u64::MAX),
            host_statement: AtomicBool::new(false),
            preparing: AtomicBool::new(false),
            function_weight: AtomicU32::new(0),
            stale: AtomicBool::new(false),
        }
    }

    /// Starts a transaction of one or more statements.
    pub fn begin_transaction(&self) {
        if self.database.is_none() {
            self.memory_at_transaction.store(memory::used(), Ordering::Relaxed);
        }
    }

    /// Whether the changes of the running transaction exceed the maximum size of the log. A database in memory has no log: its
    /// pages and the journal to undo the changes are in memory.
    pub fn transaction_is_full(&self) -> bool {
        if self.database.is_some() {
            return false;
        }
        let started = self.memory_at_transaction.load(Ordering::Relaxed);
        u64::try_from(memory::used() - started).is_ok_and(|grown| grown > self.max_log)
    }

    /// Starts a guest's statement.
    pub fn begin_statement(&self) {
        self.memory_at_start.store(memory::used(), Ordering::Relaxed);
        self.checks.store(0, Ordering::Relaxed);
    }

    /// Counts a check; returns true if the running statement must be interrupted. The clock is checked each time, because a few
    /// steps may be slow; memory and the log are checked rarely, because most statements end before that.
    pub fn check_limits(&self) -> bool {
        let check = self.checks.fetch_add(1, Ordering::Relaxed);
        if self.deadline.passed() {
            return true;
        }
        if self.is_host_statement() || check % FULL_CHECK_EVERY != FULL_CHECK_EVERY - 1 {
            return false;
        }
        memory::is_exceeded(self.memory_at_start.load(Ordering::Relaxed))
            || self.log_is_full()
            || self.transaction_is_full()
    }

    /// Stores the log's size after a commit.
    pub fn set_log_bytes(&self, bytes: u64) {
        self.committed.store(bytes, Ordering::Relaxed);
    }

    /// Forgets the log's size: a rollback may have left the log larger than any commit reported.
    pub fn forget_log_bytes(&self) {
        self.set_log_bytes(u64::MAX);
    }

    /// Whether the log may be full, according to the information available without a `stat`.
    pub fn log_may_be_full(&self) -> bool {
        self.committed.load(Ordering::Relaxed) > self.max_log
    }

    /// Whether the log exceeds its maximum size.
    pub fn log_is_full(&self) -> bool {
        self.database.as_ref().is_some_and(|database| database.log_bytes() > self.max_log)
    }

    pub fn is_host_statement(&self) -> bool {
        self.host_statement.load(Ordering::Relaxed)
    }

    /// Runs statements of the host.
    pub fn as_host<T>(&self, work: impl FnOnce() -> T) -> T {
        self.host_statement.store(true, Ordering::Relaxed);
        let result = work();
        self.host_statement.store(false, Ordering::Relaxed);
        result
    }

    /// Sets whether a guest's statement is being prepared within limits.
    pub fn set_preparing(&self, preparing: bool) {
        self.preparing.store(preparing, Ordering::Relaxed);
        if preparing {
            self.function_weight.store(0, Ordering::Relaxed);
        }
    }

    /// The weight of the functions in the last prepared statement.
    pub fn function_weight(&self) -> u32 {
        self.function_weight.load(Ordering::Relaxed)
    }

    /// Adds the weight of a function in the statement that is being prepared; returns the total weight.
    pub fn add_function_weight(&self, weight: u32) -> u32 {
        self.function_weight.fetch_add(weight, Ordering::Relaxed).saturating_add(weight)
    }

    pub fn is_preparing(&self) -> bool {
        self.preparing.load(Ordering::Relaxed)
    }

    /// Notes that a running statement was prepared for an older schema.
    pub fn set_stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Clears this note; returns true if it was set since the last call.
    pub fn take_stale(&self) -> bool {
        self.stale.swap(false, Ordering::Relaxed)
    }
}
