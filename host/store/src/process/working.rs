//! Threads that are inside of libraries with locks of the whole process, such as SQLite and wasmtime: a fork waits for them.

use super::forks;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a fork waits for working threads. If it takes longer, the child may inherit a lock that nobody releases.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(100);

/// Threads that work.
static WORKING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How often this thread has announced that it works.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// This thread works, until this is dropped: a fork in another thread waits for that, for at most two seconds. It costs a few atomic
/// operations. A thread that announces it twice counts once, and may fork itself.
#[derive(Debug)]
pub struct Working {
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl Working {
    /// Waits while another thread forks, but not without a limit.
    pub fn start() -> Working {
        let depth = DEPTH.get();
        DEPTH.set(depth + 1);
        if depth == 0 {
            enter();
        }
        Working { _thread: PhantomData }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            WORKING.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Counts this thread. Either the fork sees that, or this thread sees the fork.
fn enter() {
    WORKING.fetch_add(1, Ordering::SeqCst);
    if !forks::is_running() {
        return;
    }
    let until = Instant::now() + PATIENCE;
    while forks::is_running() && Instant::now() < until {
        WORKING.fetch_sub(1, Ordering::SeqCst);
        std::thread::sleep(PAUSE);
        WORKING.fetch_add(1, Ordering::SeqCst);
    }
}

/// In the thread that forks: waits until no other thread works, for a limited time.
pub(super) fn wait_for_others() {
    let own = own();
    if WORKING.load(Ordering::SeqCst) <= own {
        return;
    }
    let until = Instant::now() + PATIENCE;
    while WORKING.load(Ordering::SeqCst) > own && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
}

/// In the child, which has one thread.
pub(super) fn forget_others() {
    WORKING.store(own(), Ordering::SeqCst);
}

/// Whether this thread works: then a fork waits for it.
pub(super) fn is_working() -> bool {
    DEPTH.get() > 0
}

fn own() -> usize {
    usize::from(is_working())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_twice_counts_once() {
        let outer = Working::start();
        let inner = Working::start();
        assert_eq!((own(), DEPTH.get()), (1, 2));
        drop(outer);
        assert_eq!(own(), 1);
        drop(inner);
        assert_eq!(own(), 0);
    }
}
