//! A value for each process of a family: a forked child gets a new one, and leaves that of its parent alone.

use super::forks::Generation;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value that each process creates at its first use of it.
///
/// A mutex of the parent may have been locked by a thread that does not exist in the child, and a connection of the parent must not be
/// closed by the child. So in a child [`get`](Self::get) returns a new value, and the inherited one is never dropped. It takes no
/// lock: one read of memory and one comparison.
///
/// ```
/// use image_cache_store::process::PerProcess;
/// use std::sync::Mutex;
/// static NAMES: PerProcess<Mutex<Vec<String>>> = PerProcess::new();
/// NAMES.get().lock().expect("it is not poisoned").push("cirros".to_owned());
/// assert_eq!(NAMES.get().lock().expect("it is not poisoned").len(), 1);
/// ```
pub struct PerProcess<T> {
    newest: AtomicPtr<Node<T>>,
    /// Values are used and dropped by any thread.
    _values: PhantomData<T>,
}

struct Node<T> {
    generation: Generation,
    value: T,
    /// The value of the process from which this one was forked, if it had one.
    older: *const Node<T>,
}

impl<T> PerProcess<T> {
    /// Without a value.
    pub const fn new() -> PerProcess<T> {
        PerProcess { newest: AtomicPtr::new(ptr::null_mut()), _values: PhantomData }
    }

    /// With the value of this process.
    pub fn with(value: T) -> PerProcess<T> {
        let node = Node { generation: Generation::current(), value, older: ptr::null() };
        PerProcess { newest: AtomicPtr::new(Box::into_raw(Box::new(node))), _values: PhantomData }
    }

    fn newest(&self) -> Option<&Node<T>> {
        // SAFETY: null, or from `Box::into_raw`. A node is only freed by the drop of `self`, or by `add` before it is stored.
        unsafe { self.newest.load(Ordering::Acquire).as_ref() }
    }

    /// The values that this process inherited, its parent's first. Their mutexes may be locked for ever.
    pub fn inherited(&self) -> impl Iterator<Item = &T> {
        let mut node = self.newest();
        std::iter::from_fn(move || {
            let this = node?;
            // SAFETY: as in `newest`.
            node = unsafe { this.older.as_ref() };
            Some(this)
        })
        .filter(|node| !node.generation.is_current())
        .map(|node| &node.value)
    }
}

impl<T: Default + Send + Sync> PerProcess<T> {
    /// The value of this process; the default value if it has none yet.
    pub fn get(&self) -> &T {
        match self.newest() {
            Some(node) if node.generation.is_current() => &node.value,
            _ => self.add(),
        }
    }

    /// Another thread may add one at the same time: then that one counts.
    #[cold]
    fn add(&self) -> &T {
        loop {
            let older = self.newest.load(Ordering::Acquire);
            // SAFETY: as in `newest`.
            if let Some(node) = unsafe { older.as_ref() }
                && node.generation.is_current()
            {
                return &node.value;
            }
            let (generation, value) = (Generation::current(), T::default());
            let node = Box::into_raw(Box::new(Node { generation, value, older }));
            let added =
                self.newest.compare_exchange(older, node, Ordering::AcqRel, Ordering::Acquire);
            if added.is_err() {
                // SAFETY: it was just made, and no other thread knows it.
                drop(unsafe { Box::from_raw(node) });
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    /// Drops the value of this process, and none that it inherited.
    fn drop(&mut self) {
        let newest = *self.newest.get_mut();
        // SAFETY: as in `newest`; nobody borrows it any more.
        if !newest.is_null() && unsafe { (*newest).generation.is_current() } {
            // SAFETY: likewise.
            drop(unsafe { Box::from_raw(newest) });
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PerProcess").field(&self.newest().map(|node| &node.value)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn threads_of_one_process_share_one_value_which_is_dropped_with_the_last_owner() {
        let values: PerProcess<Arc<AtomicUsize>> = PerProcess::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| values.get().fetch_add(1, Ordering::SeqCst));
            }
        });
        let value = Arc::clone(values.get());
        assert_eq!((value.load(Ordering::SeqCst), values.inherited().count()), (8, 0));
        drop(values);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
