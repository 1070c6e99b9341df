//! Detects readers that would wait for each other forever: the source of a fetch may itself read images of a cache.
//!
//! A thread that reads the source of a fetch holds the fetch; a reader of the image waits for that thread. If the source reads the
//! image of a fetch whose source, directly or through others, waits for the first one, no thread could go on. The last of them
//! gets an error instead.

use super::progress::Progress;
use crate::error::Error;
use image_cache_model::ImageId;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

/// The threads that wait for a fetch, and for which one.
static WAITING: PerProcess<Mutex<HashMap<ThreadId, Wait>>> = PerProcess::new();

/// A wait for bytes of a fetch after a position.
struct Wait {
    holder: Arc<SourceHolder>,
    position: u64,
}

/// The thread that reads the source of a fetch now, if any.
pub(super) struct SourceHolder {
    image_id: ImageId,
    progress: Arc<Progress>,
    thread: Mutex<Option<ThreadId>>,
}

/// A thread reads the source, until this is dropped.
pub(super) struct Holding<'a>(&'a SourceHolder);

/// A thread waits for a fetch, until this is dropped.
pub(super) struct Waiting(ThreadId);

impl SourceHolder {
    pub fn new(image_id: ImageId, progress: Arc<Progress>) -> Arc<SourceHolder> {
        Arc::new(SourceHolder { image_id, progress, thread: Mutex::new(None) })
    }

    /// This thread reads the source from now on.
    pub fn hold(&self) -> Holding<'_> {
        *lock(&self.thread) = Some(thread::current().id());
        Holding(self)
    }

    fn thread(&self) -> Option<ThreadId> {
        *lock(&self.thread)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        *lock(&self.0.thread) = None;
    }
}

impl Waiting {
    /// This thread waits for bytes after `position` from now on. Do not call it with the state of a progress locked.
    ///
    /// # Errors
    /// [`Deadlock`](io::ErrorKind::Deadlock) if the thread that reads the source waits for this thread.
    pub fn start(holder: &Arc<SourceHolder>, position: u64) -> io::Result<Waiting> {
        let this = thread::current().id();
        let mut waiting = lock(WAITING.get());
        if waits_for(&waiting, holder, this) {
            return Err(Error::Deadlock { image_id: holder.image_id.clone() }.into());
        }
        waiting.insert(this, Wait { holder: Arc::clone(holder), position });
        Ok(Waiting(this))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(WAITING.get()).remove(&self.0);
    }
}

/// Whether the fetch can only continue when this thread does. A thread that waits for bytes that have arrived continues by itself.
fn waits_for(waiting: &HashMap<ThreadId, Wait>, fetch: &SourceHolder, this: ThreadId) -> bool {
    let mut holder = fetch.thread();
    // Without this thread there is no cycle, because each wait was checked when it began; the bound is for safety.
    for _ in 0..=waiting.len() {
        let Some(thread) = holder else { return false };
        if thread == this {
            return true;
        }
        let wait = waiting.get(&thread);
        let wait =
            wait.filter(|it| it.holder.progress.look_unless_moved(it.position, || ()).is_some());
        holder = wait.and_then(|wait| wait.holder.thread());
    }
    false
}
