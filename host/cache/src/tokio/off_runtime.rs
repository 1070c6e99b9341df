//! Values that must not be dropped on a thread of the runtime, because the drop may access the disk or close the records.

use std::ops::{Deref, DerefMut};

/// A value that is dropped on a blocking thread, if there is a runtime. A result of a blocking thread must be wrapped on that
/// thread: the task that waits for it may be cancelled.
#[derive(Debug)]
pub(super) struct OffRuntime<T: Send + 'static> {
    value: Option<T>,
}

/// Why there is always a value.
const TAKEN_ONCE: &str = "only methods that consume the wrapper take the value";

impl<T: Send + 'static> OffRuntime<T> {
    pub fn new(value: T) -> Self {
        OffRuntime { value: Some(value) }
    }

    /// The value, for a blocking thread.
    pub fn into_inner(mut self) -> T {
        self.value.take().expect(TAKEN_ONCE)
    }
}

impl<T: Send + 'static> Deref for OffRuntime<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(TAKEN_ONCE)
    }
}

impl<T: Send + 'static> DerefMut for OffRuntime<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(TAKEN_ONCE)
    }
}

impl<T: Send + 'static> Drop for OffRuntime<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(value));
        }
    }
}
