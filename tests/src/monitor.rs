//! State that the threads of a test share, and wait for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// State that several threads look at and change.
#[derive(Debug, Default)]
pub struct Monitor<T> {
    state: Mutex<T>,
    changed: Condvar,
}

impl<T> Monitor<T> {
    /// The state, for as long as that is held.
    pub fn state(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, and wakes the waiting threads.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits as long as it is so.
    pub fn wait_while(&self, state: MutexGuard<'_, T>, is_so: impl FnMut(&mut T) -> bool) {
        drop(self.changed.wait_while(state, is_so));
    }

    /// Waits for a change, and no longer than this.
    pub fn wait_for(&self, state: MutexGuard<'_, T>, time: Duration) {
        drop(self.changed.wait_timeout(state, time));
    }
}
