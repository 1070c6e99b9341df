//! Closes removed files in background threads; the file system frees their space at the close.

use super::UnlinkedFile;
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Threads that close files. They outnumber the processors, because a file system that discards blocks waits for the disk at each
/// file, and the disk handles many such requests in parallel.
const THREADS: usize = 16;

/// Files that a thread closes at a time. A caller with no more files than this closes them itself.
pub const CLOSE_BATCH: usize = 8;

/// Closes removed files in the background while others are being removed.
///
/// [`scope`](Self::scope) returns only when all of them are closed and the file system has freed their space.
pub struct DeferredClose<'a> {
    to_close: SyncSender<Vec<UnlinkedFile>>,
    /// Starts the threads; false if none can be started.
    start: Box<dyn Fn() -> bool + 'a>,
    is_started: bool,
}

impl DeferredClose<'_> {
    /// Runs work that removes files, and waits until all of them are closed.
    pub fn scope<T>(work: impl FnOnce(&mut DeferredClose<'_>) -> T) -> T {
        // The queue is short because each entry contains open files.
        let (to_close, closing) = sync_channel(THREADS / 2);
        let closing = Mutex::new(closing);
        thread::scope(|scope| {
            let closing = &closing;
            let builder = || thread::Builder::new().name("image-cache-close".into());
            let thread = || builder().spawn_scoped(scope, || close(closing)).is_ok();
            let start = Box::new(move || (0..THREADS).filter(|_| thread()).count() > 0);
            work(&mut DeferredClose { to_close, start, is_started: false })
        })
    }

    /// Closes these files in the background. Call without a lock held.
    pub fn close_later(&mut self, mut files: Vec<UnlinkedFile>) {
        if files.is_empty() {
            return;
        }
        self.is_started = self.is_started || (self.start)();
        if !self.is_started {
            return;
        }
        while !files.is_empty() {
            let some = files.split_off(files.len().saturating_sub(CLOSE_BATCH));
            // If no thread receives them, the drop of the error closes them.
            let _ = self.to_close.send(some);
        }
    }
}

fn close(files: &Mutex<Receiver<Vec<UnlinkedFile>>>) {
    loop {
        let next = lock(files).recv();
        match next {
            Ok(files) => drop(files),
            // There is no more work.
            Err(_) => return,
        }
    }
}
