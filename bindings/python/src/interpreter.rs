//! Python's lock: released during the cache's work, and not taken again when the interpreter ends.

use crate::log;
use pyo3::prelude::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How long the end of the interpreter waits for threads that return.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a fork waits for calls of other threads, while nothing else of Python can run. The library itself waits for calls of
/// drivers, which have locks of the whole process, and a child uses no value of its parent. What is left are locks that are held for
/// microseconds, such as those of the log: short calls end in this time, and a long one has such a lock hardly ever.
const FORK_PATIENCE: Duration = Duration::from_millis(20);

/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(1);

/// Calls that work without Python's lock.
static WORKING: AtomicUsize = AtomicUsize::new(0);
/// Calls that are done, and wait for Python's lock.
static RETURNING: AtomicUsize = AtomicUsize::new(0);
/// Whether the interpreter ends.
static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// The thread that ends it.
static LAST_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Runs `work` without Python's lock; then passes collected log messages to Python.
///
/// When the interpreter ends, CPython before 3.14 ends a daemon thread that takes the lock, by unwinding its stack, which Rust's
/// frames do not survive. So such a thread stops here until the process ends, as later versions of CPython make it.
pub fn without_lock<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    // Before the lock is released: a thread that then takes the lock and forks must see this call.
    let working = Working::start();
    let done = py.detach(|| {
        let done = work();
        drop(working);
        RETURNING.fetch_add(1, Ordering::SeqCst);
        if IS_ENDING.load(Ordering::SeqCst) && LAST_THREAD.get() != Some(&thread::current().id()) {
            RETURNING.fetch_sub(1, Ordering::SeqCst);
            loop {
                thread::park();
            }
        }
        done
    });
    RETURNING.fetch_sub(1, Ordering::SeqCst);
    if !IS_ENDING.load(Ordering::Relaxed) {
        log::deliver(py);
    }
    done
}

/// Counts a working call, also if it panics.
struct Working(());

impl Working {
    fn start() -> Working {
        WORKING.fetch_add(1, Ordering::SeqCst);
        Working(())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The interpreter is about to end: called by `atexit` in the thread that ends it.
#[pyfunction]
pub fn begin_shutdown(py: Python<'_>) {
    let _ = LAST_THREAD.set(thread::current().id());
    IS_ENDING.store(true, Ordering::SeqCst);
    // Those that checked before take the lock meanwhile.
    py.detach(|| wait_until_none(&RETURNING, PATIENCE));
}

/// Waits a moment until no other thread works in the cache; returns whether none does. The caller keeps Python's lock, so no call begins
/// meanwhile. A call that only waits, for example for the fetch of another process, does not delay the fork further.
#[pyfunction]
pub fn wait_for_calls() -> bool {
    wait_until_none(&WORKING, FORK_PATIENCE)
}

/// Forgets the calls of the parent's threads, which do not exist in a forked child.
#[pyfunction]
pub fn begin_after_fork() {
    WORKING.store(0, Ordering::SeqCst);
    RETURNING.store(0, Ordering::SeqCst);
    log::forget();
}

fn wait_until_none(calls: &AtomicUsize, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while calls.load(Ordering::SeqCst) > 0 {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}
