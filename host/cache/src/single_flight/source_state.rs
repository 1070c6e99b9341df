//! How the source of a fetch is being read: by which thread, and for which other fetch it waits.

use image_cache_store::sync::lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Weak};

/// The number of a thread in this process. 0 is no thread.
pub(super) type ThreadNumber = u64;

/// The next number.
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static THIS_THREAD: ThreadNumber = NEXT.fetch_add(1, Ordering::Relaxed);
}

/// The number of this thread.
pub(super) fn this_thread() -> ThreadNumber {
    THIS_THREAD.with(|number| *number)
}

/// How the source of a fetch is being read; `F` is the type of a fetch.
#[derive(Debug)]
pub(super) struct SourceState<F> {
    thread: AtomicU64,
    wait: Mutex<Option<(Weak<F>, u64)>>,
}

impl<F> SourceState<F> {
    /// Nothing reads it.
    pub fn new() -> SourceState<F> {
        SourceState { thread: AtomicU64::new(0), wait: Mutex::new(None) }
    }

    /// The thread that reads the source now, if any.
    pub fn thread(&self) -> Option<ThreadNumber> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Sets the thread that reads the source; returns the one before. The lock of the graph of waits orders the changes: a thread
    /// sets this before it waits itself, and a check sees it if it comes after that wait began.
    pub fn set_thread(&self, thread: ThreadNumber) -> ThreadNumber {
        let before = self.thread.load(Ordering::Relaxed);
        self.thread.store(thread, Ordering::Relaxed);
        before
    }

    /// The fetch for which the source waits, and the position after which it needs bytes, if a task reads the source.
    pub fn wait(&self) -> Option<(Weak<F>, u64)> {
        lock(&self.wait).clone()
    }

    /// Sets for what the source waits.
    pub fn set_wait(&self, wait: Option<(Weak<F>, u64)>) {
        *lock(&self.wait) = wait;
    }
}
