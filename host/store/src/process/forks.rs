//! Counts forks, so that each process of a family knows its own generation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Forks between the first process that used this library and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Forks that this process has begun, and those that have ended.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

/// How long to wait for a running fork: longer than a fork of a large process takes.
const FORK_PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(100);

/// The process in which a value was made: a forked child is of another generation than its parent.
///
/// ```
/// use image_cache_store::process::Generation;
/// let here = Generation::current();
/// assert!(here.is_current());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// That of this process. It costs one read of memory.
    pub fn current() -> Generation {
        Generation(GENERATION.load(Ordering::Relaxed))
    }

    /// Whether this process is the one in which the value was made, and not a forked child of it.
    pub fn is_current(self) -> bool {
        self == Generation::current()
    }

    /// Its number: 0 in the first process, and one more in each child than in its parent.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A period in which no fork may happen; if one does, [`saw_none`](Self::saw_none) tells so.
pub(super) struct ForkWatch(u64);

impl ForkWatch {
    /// Begins after a running fork, for which it waits a limited time.
    pub fn start() -> ForkWatch {
        let watch = ForkWatch(BEGUN.load(Ordering::SeqCst));
        if !is_running() {
            return watch;
        }
        let until = Instant::now() + FORK_PATIENCE;
        while is_running() && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        ForkWatch(BEGUN.load(Ordering::SeqCst))
    }

    /// Whether no fork was running at any moment since the start.
    pub fn saw_none(&self) -> bool {
        BEGUN.load(Ordering::SeqCst) == self.0 && ENDED.load(Ordering::SeqCst) == self.0
    }
}

/// Whether a thread of this process is forking.
pub(super) fn is_running() -> bool {
    ENDED.load(Ordering::SeqCst) != BEGUN.load(Ordering::SeqCst)
}

pub(super) fn begin() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
}

pub(super) fn end_in_parent() {
    ENDED.fetch_add(1, Ordering::SeqCst);
}

/// Forks of the parent's other threads do not run here.
pub(super) fn end_in_child() {
    ENDED.store(BEGUN.load(Ordering::SeqCst), Ordering::SeqCst);
    GENERATION.fetch_add(1, Ordering::SeqCst);
}
