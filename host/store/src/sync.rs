//! Locks that a panic elsewhere does not close: what they guard is whole between any two statements. Work for two threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Instant;
use std::{panic, thread};

/// To look at so many files takes longer than to start a thread.
pub const WORTH_A_THREAD: usize = 256;

/// Locks a mutex, also after a panic of another thread that held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading, likewise.
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing, likewise.
pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Does both: the second on a thread of its own, or after the first where there is none to be had.
pub fn both<A, B: Send>(first: impl FnOnce() -> A, second: impl Fn() -> B + Sync) -> (A, B) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, &second);
        let first = first();
        let second = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
            Err(_) => second(),
        };
        (first, second)
    })
}

/// A gate that one thread at a time passes, and that is waited for no longer than is wanted. It guards nothing itself. Where
/// nobody waits, to pass it and to leave it is one atomic operation each.
#[derive(Debug, Default)]
pub struct Gate {
    state: AtomicU32,
    /// Held by whoever begins to wait, and for a moment by whoever wakes somebody: no waiter misses that.
    waiting: Mutex<()>,
    freed: Condvar,
}

/// What a gate's state says. Where somebody may wait for it, whoever leaves it wakes him.
const FREE: u32 = 0;
const HELD: u32 = 1;
const AWAITED: u32 = 2;

/// Keeps the gate shut behind whoever has passed, until it is dropped.
#[derive(Debug)]
pub struct Passed<'a>(&'a Gate);

impl Gate {
    /// An open gate.
    pub const fn new() -> Gate {
        Gate { state: AtomicU32::new(FREE), waiting: Mutex::new(()), freed: Condvar::new() }
    }

    /// Passes, at `until` at the latest; nothing where somebody else held it until then. `until` is asked only where
    /// there is something to wait for.
    pub fn pass(&self, until: impl FnOnce() -> Instant) -> Option<Passed<'_>> {
        let free = self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        if free.is_ok() { Some(Passed(self)) } else { self.wait(until()) }
    }

    fn wait(&self, until: Instant) -> Option<Passed<'_>> {
        let mut waiting = lock(&self.waiting);
        // Said before each wait. Who passes like this does not know of others who wait, and wakes one in vain at most.
        while self.state.swap(AWAITED, Ordering::Acquire) != FREE {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            waiting = match self.freed.wait_timeout(waiting, left) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        Some(Passed(self))
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        if self.0.state.swap(FREE, Ordering::Release) == AWAITED {
            // Whoever said so waits by the time that this is had.
            drop(lock(&self.0.waiting));
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_gate_lets_one_through_at_a_time_and_is_waited_for_no_longer_than_is_wanted() {
        let (gate, passing) = (Gate::new(), Mutex::new(()));
        let held = gate.pass(Instant::now).expect("nobody holds it");
        assert!(gate.pass(|| Instant::now() + Duration::from_millis(5)).is_none());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let passed = gate.pass(|| Instant::now() + Duration::from_secs(60));
                    assert!(passed.is_some(), "it is free in the end");
                    drop(passing.try_lock().expect("another one is through"));
                });
            }
            thread::sleep(Duration::from_millis(5));
            drop(held);
        });
        assert!(gate.pass(Instant::now).is_some());
    }

    #[test]
    fn who_gives_up_waiting_takes_nobody_s_turn() {
        let (gate, passed) = (Gate::new(), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        drop(gate.pass(|| Instant::now() + Duration::from_micros(20)));
                    }
                });
                scope.spawn(|| {
                    for _ in 0..500 {
                        let held = gate.pass(|| Instant::now() + Duration::from_secs(60));
                        passed.fetch_add(u32::from(held.is_some()), Ordering::Relaxed);
                        thread::yield_now();
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 2000);
    }
}
