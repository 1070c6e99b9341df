//! Detects tasks that would wait for each other forever, as the [graph of threads](super::wait_graph) does for threads: no thread waits
//! while a task does.
//!
//! A task that polls the source of a fetch may poll a reader of another fetch inside. If that reader has to wait, the source waits for
//! that fetch, until it is polled again. A reader that would close a circle of such waits gets an error.

use super::progress::Progress;
use super::wait_graph::{Holding, deadlock};
use image_cache_model::ImageId;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex};

/// The longest circle that is found.
const MOST: usize = 1000;

/// Orders the checks: of two tasks that would close a circle at the same time, one sees the wait of the other.
static CHECKING: PerProcess<Mutex<()>> = PerProcess::new();

thread_local! {
    /// The fetches whose sources this thread polls now, each inside of the one before.
    static POLLED: RefCell<Vec<Arc<Progress>>> = const { RefCell::new(Vec::new()) };
}

/// A task polls the source of a fetch, until this is dropped.
#[must_use = "the source is polled until it is dropped"]
pub(crate) struct SourcePoll<'a> {
    _holding: Holding<&'a Progress>,
}

impl<'a> SourcePoll<'a> {
    /// The source is polled from now on. What it waits for is found out again.
    pub fn start(progress: &'a Arc<Progress>) -> SourcePoll<'a> {
        progress.source.set_wait(None);
        let _ = POLLED.try_with(|polled| polled.borrow_mut().push(Arc::clone(progress)));
        SourcePoll { _holding: Holding::start(progress) }
    }
}

impl Drop for SourcePoll<'_> {
    fn drop(&mut self) {
        let _ = POLLED.try_with(|polled| polled.borrow_mut().pop());
    }
}

/// The reader that is being polled has to wait for bytes of a fetch after `position`, and so have all sources that this thread polls.
///
/// # Errors
/// [`Deadlock`](io::ErrorKind::Deadlock) if the fetch waits for one of these sources.
pub(super) fn note(fetch: &Arc<Progress>, image: &ImageId, position: u64) -> io::Result<()> {
    let polled = POLLED.try_with(|polled| polled.borrow().clone()).unwrap_or_default();
    if polled.is_empty() {
        return Ok(());
    }
    let _checking = lock(CHECKING.get());
    let is_polled = |fetch: &Arc<Progress>| polled.iter().any(|it| Arc::ptr_eq(it, fetch));
    let mut next = Some(Arc::clone(fetch));
    for _ in 0..MOST {
        let Some(needed) = next else { break };
        if is_polled(&needed) {
            return Err(deadlock(image));
        }
        next = needed_by_source(&needed);
    }
    let wait = (Arc::downgrade(fetch), position);
    polled.iter().for_each(|polled| polled.source.set_wait(Some(wait.clone())));
    Ok(())
}

/// The fetch for which the source of this one waits; `None` if the bytes have arrived.
fn needed_by_source(fetch: &Progress) -> Option<Arc<Progress>> {
    let (needed, position) = fetch.source.wait()?;
    let needed = needed.upgrade()?;
    needed.look_unless_moved(position, || ())?;
    Some(needed)
}
