//! State that the threads of a test share and wait for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// State that several threads read and change.
#[derive(Debug, Default)]
pub struct Monitor<T> {
    state: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    /// The locked state.
    pub fn state(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the waiting threads.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits while a condition is true.
    pub fn wait_while(&self, state: MutexGuard<'_, T>, is_so: impl FnMut(&mut T) -> bool) {
        drop(self.changed.wait_while(state, is_so));
    }

    /// Waits for a change, at most this long.
    pub fn wait_for(&self, state: MutexGuard<'_, T>, time: Duration) {
        drop(self.changed.wait_timeout(state, time));
    }
}
