//! Values that belong to the process that made them: a forked child neither uses nor drops them.

use std::sync::{Mutex, PoisonError, TryLockError};

/// A value of one process, until it is taken.
///
/// A forked child has a copy of it, with locks and connections that are still the parent's. If the child dropped the copy, it
/// would write to the parent's files.
#[derive(Debug)]
pub struct Owned<T> {
    value: Mutex<Option<T>>,
    process: u32,
}

/// Why a value cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was taken.
    Closed,
    /// It belongs to the parent process.
    Forked,
}

impl<T> Owned<T> {
    /// A value of this process.
    pub fn new(value: T) -> Owned<T> {
        Owned { value: Mutex::new(Some(value)), process: std::process::id() }
    }

    /// Uses the value. Other threads wait meanwhile, so do not hold Python's lock if `work` can take long.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, Gone> {
        if self.is_inherited() {
            return Err(Gone::Forked);
        }
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        value.as_mut().map(work).ok_or(Gone::Closed)
    }

    /// Uses the value, unless it cannot be used, or another thread uses it now.
    pub fn try_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.is_inherited() {
            return None;
        }
        let mut value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        value.as_mut().map(work)
    }

    /// Takes the value; waits for another thread that uses it.
    pub fn take(&self) -> Result<T, Gone> {
        if self.is_inherited() {
            return Err(Gone::Forked);
        }
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(Gone::Closed)
    }

    fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.is_inherited() {
            // Without the lock: a thread of the parent may have held it during the fork.
            let value = self.value.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(value.take());
        }
    }
}
