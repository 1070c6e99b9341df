//! Whether the log function runs in this thread: it must not call the library.

use std::cell::Cell;

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// The log function runs in this thread, until this is dropped.
pub(crate) struct RunningLog(());

impl RunningLog {
    pub fn start() -> RunningLog {
        let _ = IS_RUNNING.try_with(|it| it.set(true));
        RunningLog(())
    }
}

impl Drop for RunningLog {
    fn drop(&mut self) {
        let _ = IS_RUNNING.try_with(|it| it.set(false));
    }
}

/// Whether the log function runs in this thread.
pub(crate) fn is_running() -> bool {
    IS_RUNNING.try_with(Cell::get).unwrap_or(false)
}
