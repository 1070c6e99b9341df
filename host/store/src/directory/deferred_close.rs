//! Giving back the space of removed files.

use super::UnlinkedFile;
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Threads that close files. More than there are processors: a file system that discards blocks waits for the disk at
/// each file, and the disk can take many of these waits at a time.
const THREADS: usize = 16;

/// Files that a thread takes at once. So few of them all need no thread: who removes them closes them.
pub const FEW_FILES: usize = 8;

/// The space of removed files, on its way back to the file system while others are being removed.
pub struct DeferredClose<'a> {
    to_close: SyncSender<Vec<UnlinkedFile>>,
    /// Starts the threads; false where there can be none.
    start: Box<dyn Fn() -> bool + 'a>,
    is_started: bool,
}

impl DeferredClose<'_> {
    /// Does something that removes files; afterwards all of their space is back.
    pub fn all<T>(work: impl FnOnce(&mut DeferredClose<'_>) -> T) -> T {
        // No more wait than what the threads take next: they are open files.
        let (to_close, closing) = sync_channel(THREADS / 2);
        let closing = Mutex::new(closing);
        thread::scope(|scope| {
            let closing = &closing;
            let thread = || thread::Builder::new().spawn_scoped(scope, || close(closing)).is_ok();
            let start = Box::new(move || (0..THREADS).filter(|_| thread()).count() > 0);
            work(&mut DeferredClose { to_close, start, is_started: false })
        })
    }

    /// Closes these files, sooner or later. Not with a lock held.
    pub fn give_back(&mut self, mut files: Vec<UnlinkedFile>) {
        if files.is_empty() {
            return;
        }
        self.is_started = self.is_started || (self.start)();
        if !self.is_started {
            return;
        }
        while !files.is_empty() {
            let some = files.split_off(files.len().saturating_sub(FEW_FILES));
            // They are closed here where nobody takes them.
            let _ = self.to_close.send(some);
        }
    }
}

fn close(files: &Mutex<Receiver<Vec<UnlinkedFile>>>) {
    loop {
        let next = lock(files).recv();
        match next {
            Ok(files) => drop(files),
            // Nobody removes files any more.
            Err(_) => return,
        }
    }
}
