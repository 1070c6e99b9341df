//! Detects readers that would wait for each other forever: the source of a fetch may itself read images of a cache.
//!
//! A thread that reads the source of a fetch [holds](Holding) the fetch; a reader of the image waits for that thread. If the source
//! reads the image of a fetch whose source, directly or through others, waits for the first one, no thread could go on. The last of
//! them gets an error instead.

use super::progress::Progress;
use super::source_state::{ThreadNumber, this_thread};
use crate::error::Error;
use image_cache_model::ImageId;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use std::collections::HashMap;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

/// The threads that wait for a fetch, and for which one.
static WAITING: PerProcess<Mutex<HashMap<ThreadNumber, Wait>>> = PerProcess::new();

/// A wait for bytes of a fetch after a position.
struct Wait {
    progress: Arc<Progress>,
    position: u64,
}

impl Wait {
    /// The thread that must read the source to end the wait; none if the bytes have arrived, because the wait then ends by itself.
    fn source_thread(&self) -> Option<ThreadNumber> {
        let look = || self.progress.source.thread();
        self.progress.look_unless_moved(self.position, look).flatten()
    }
}

/// A thread reads the source of a fetch, until this is dropped. It costs two writes of an atomic number.
#[must_use = "the source is read until it is dropped"]
pub(crate) struct Holding<P: Deref<Target = Progress>> {
    progress: P,
    /// The thread that read the source before: a source may be read within another read of it.
    before: ThreadNumber,
}

impl<P: Deref<Target = Progress>> Holding<P> {
    /// This thread reads the source from now on.
    pub fn start(progress: P) -> Self {
        let before = progress.source.set_thread(this_thread());
        Holding { progress, before }
    }
}

impl<P: Deref<Target = Progress>> Drop for Holding<P> {
    fn drop(&mut self) {
        self.progress.source.set_thread(self.before);
    }
}

/// A thread waits for a fetch, until this is dropped.
pub(super) struct Waiting(ThreadNumber);

impl Waiting {
    /// This thread waits for bytes after `position` from now on. Do not call it with the state of a progress locked.
    ///
    /// # Errors
    /// [`Deadlock`](io::ErrorKind::Deadlock) if the thread that reads the source waits for this thread.
    pub fn start(progress: &Arc<Progress>, image: &ImageId, position: u64) -> io::Result<Waiting> {
        let this = this_thread();
        let mut waiting = lock(WAITING.get());
        let wait = Wait { progress: Arc::clone(progress), position };
        if ends_only_with(this, &wait, &waiting) {
            return Err(deadlock(image));
        }
        waiting.insert(this, wait);
        Ok(Waiting(this))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(WAITING.get()).remove(&self.0);
    }
}

/// The error of a read that would wait for itself.
pub(super) fn deadlock(image: &ImageId) -> io::Error {
    Error::Deadlock { image_id: image.clone() }.into()
}

/// Whether the wait can only end when this thread continues.
fn ends_only_with(this: ThreadNumber, wait: &Wait, waiting: &HashMap<ThreadNumber, Wait>) -> bool {
    let mut wait = Some(wait);
    // Without this thread there is no cycle, because each wait was checked when it began; the bound is for safety.
    for _ in 0..=waiting.len() {
        let Some(thread) = wait.and_then(Wait::source_thread) else { return false };
        if thread == this {
            return true;
        }
        wait = waiting.get(&thread);
    }
    false
}
