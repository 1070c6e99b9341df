//! What must not be dropped on a thread of the runtime, since that may touch the disk.

/// A value that is dropped on a thread that may block, where there is a runtime.
pub(super) struct OffRuntime<T: Send + 'static> {
    /// None once it was taken.
    value: Option<T>,
}

impl<T: Send + 'static> OffRuntime<T> {
    pub fn new(value: T) -> Self {
        OffRuntime { value: Some(value) }
    }

    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
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
