//! Locks that ignore poisoning, a lock with a deadline, and work for two threads.
//!
//! Poisoning is ignored because the protected data is consistent after each statement.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{panic, thread};

/// Number of files whose inodes take longer to read than a thread to start.
pub const WORTH_A_THREAD: usize = 256;

/// Locks a mutex, even if a thread that held it panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs both functions: the second in a new thread, or after the first if no thread can be started.
pub fn both<A, B: Send>(first: impl FnOnce() -> A, second: impl Fn() -> B + Sync) -> (A, B) {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("image-cache-scan".into());
        let thread = builder.spawn_scoped(scope, &second);
        let first = first();
        let second = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
            Err(_) => second(),
        };
        (first, second)
    })
}

/// A lock that supports waiting until a deadline, unlike [`Mutex`]. It contains no data.
///
/// The guard that [`lock_until`](Self::lock_until) returns unlocks when it is dropped. Without contention, locking and unlocking
/// are one atomic operation each.
#[derive(Debug, Default)]
pub struct TimedLock {
    state: AtomicU32,
    /// Held by a thread that begins to wait, and briefly by one that wakes a waiter, so that no waiter misses the notification.
    waiters: Mutex<()>,
    unlocked: Condvar,
}

/// The states of a [`TimedLock`]. A thread that unlocks a contended lock wakes a waiter.
const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// Holds a [`TimedLock`] until it is dropped.
#[derive(Debug)]
pub struct TimedLockGuard<'a>(&'a TimedLock);

impl TimedLock {
    /// An unlocked lock.
    pub const fn new() -> TimedLock {
        TimedLock {
            state: AtomicU32::new(UNLOCKED),
            waiters: Mutex::new(()),
            unlocked: Condvar::new(),
        }
    }

    /// Takes the lock; `None` if another thread held it until the deadline. `until` is called only if this thread must wait.
    pub fn lock_until(&self, until: impl FnOnce() -> Instant) -> Option<TimedLockGuard<'_>> {
        let free =
            self.state.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        if free.is_ok() { Some(TimedLockGuard(self)) } else { self.wait(until()) }
    }

    fn wait(&self, until: Instant) -> Option<TimedLockGuard<'_>> {
        let mut waiting = lock(&self.waiters);
        // Set before each wait. A thread that locks here does not know whether others wait, so its unlock may notify
        // unnecessarily.
        while self.state.swap(CONTENDED, Ordering::Acquire) != UNLOCKED {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            waiting = match self.unlocked.wait_timeout(waiting, left) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        Some(TimedLockGuard(self))
    }
}

impl Drop for TimedLockGuard<'_> {
    fn drop(&mut self) {
        if self.0.state.swap(UNLOCKED, Ordering::Release) == CONTENDED {
            // A thread that set this state holds the mutex until it waits.
            drop(lock(&self.0.waiters));
            self.0.unlocked.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_thread_at_a_time_has_the_lock_and_the_others_wait_until_their_deadline() {
        let (timed, inside) = (TimedLock::new(), Mutex::new(()));
        let held = timed.lock_until(Instant::now).expect("no thread holds it");
        assert!(timed.lock_until(|| Instant::now() + Duration::from_millis(5)).is_none());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let passed = timed.lock_until(|| Instant::now() + Duration::from_secs(60));
                    assert!(passed.is_some(), "each thread gets the lock");
                    drop(inside.try_lock().expect("only one thread holds the lock"));
                });
            }
            thread::sleep(Duration::from_millis(5));
            drop(held);
        });
        assert!(timed.lock_until(Instant::now).is_some());
    }

    #[test]
    fn a_thread_that_stops_waiting_does_not_affect_the_other_waiters() {
        let (timed, passed) = (TimedLock::new(), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        drop(timed.lock_until(|| Instant::now() + Duration::from_micros(20)));
                    }
                });
                scope.spawn(|| {
                    for _ in 0..500 {
                        let held = timed.lock_until(|| Instant::now() + Duration::from_secs(60));
                        passed.fetch_add(u32::from(held.is_some()), Ordering::Relaxed);
                        thread::yield_now();
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 2000);
    }
}
