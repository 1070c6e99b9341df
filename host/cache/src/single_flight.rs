//! Many readers share one fetch: they read its growing file, and end with its result.
//!
//! **Following.** Each [fill](crate::fill) publishes its [`Progress`]: how much of its file may be read, and how it ended.
//! [`InFlight`] has the progress of all running fills of this cache. A [`Follower`](follower::Follower) reads the file up to the
//! byte before the last one written, and waits. At the end of the fetch it gets the last byte (verified), the same error, or must
//! look for the image again.
//!
//! **Which reader reads the source.** The source of a fetch that [`get_or_fetch`](crate::ImageCache::get_or_fetch) started
//! belongs to a [`SharedFetch`]: a reader that needs bytes takes the source, reads the next piece into the file, and puts the
//! source back. So no reader waits for a slow or dropped reader, no thread is needed, and the fetch ends with its last reader (or
//! continues, by option, in a separate thread). In tokio a task reads the source from the first read on, as fast as the bytes
//! arrive: a slow reader delays neither other readers nor the fetch. Only its own reader reads the source of a
//! [`caching_reader`](crate::ImageCache::caching_reader): a follower waits for that reader, but at most for
//! `image_cache_other_writer_patience`. This timeout also prevents a deadlock of a thread that holds both readers. A writer that
//! makes no progress is remembered until it writes again: later readers do not wait for it. A source that itself reads images is
//! never waited for by its own [thread](wait_graph) or [task](task_waits), nor in a circle: the reader that would close the circle gets an
//! error.
//!
//! **Another process.** Its growing file is [read in the same way](external::ExternalFile): the lock shows that the writer is
//! alive, and the rename that the image is verified.
//!
//! **Starting over.** If a fetch is interrupted, the cache fails, or a writer makes no progress for too long, a reader [looks for
//! the image again](request::Request::resolve), like a new reader: the image may be cached by now, another reader may fetch it,
//! or this reader fetches it. It reads from the beginning again, but returns only new bytes: it
//! [compares](replay_check::ReplayCheck) the bytes that it has already returned. So a reader always gets the whole, verified
//! image of one source, and no file contains bytes of two sources.

#![cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "only tasks use some of it"))]

mod external;
mod follower;
mod follower_poll;
mod growing_file;
mod local;
mod partial_bytes;
mod patience;
mod producer;
mod progress;
mod progress_info;
mod reader;
mod reader_state;
mod replay_check;
mod request;
mod resolve;
mod shared_fetch;
mod source_state;
mod stuck;
mod task_waits;
mod wait_graph;

#[cfg(feature = "tokio")]
pub(crate) use self::{
    follower::Follower,
    progress::PumpCall,
    reader_state::{Action, ReaderState, SourceNeed, SourceToken},
    task_waits::SourcePoll,
};
pub(crate) use growing_file::{Completed, FetchEnd};
pub(crate) use producer::Producer;
pub(crate) use progress::Progress;
pub use progress_info::{FetchProgress, Route};
pub use reader::FetchReader;
pub(crate) use request::Request;
use stuck::StuckWriters;
pub(crate) use wait_graph::Holding;

use image_cache_model::ImageId;
use image_cache_store::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

/// The running fetches of this cache, by image.
///
/// A fill [claims](Self::claim) its image before it starts and [releases](Self::release) it when it is dropped; readers find the
/// fetches to follow in it.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    running: Mutex<BTreeMap<ImageId, Weak<Progress>>>,
    /// Writers of other processes that make no progress.
    pub stuck: StuckWriters,
}

impl InFlight {
    /// Adds a fetch that is about to start, with its size if known; `None` if one is already running.
    pub fn claim(&self, id: &ImageId, size: Option<u64>) -> Option<Arc<Progress>> {
        loop {
            let known = {
                let mut running = lock(&self.running);
                let known = running.get(id).and_then(Weak::upgrade);
                match known.filter(|known| !known.has_ended()) {
                    Some(known) => known,
                    None => {
                        let progress = Progress::starting(size);
                        running.insert(id.clone(), Arc::downgrade(&progress));
                        return Some(progress);
                    }
                }
            };
            if known.wait_for_producer().is_some() {
                return None;
            }
        }
    }

    /// The running fetch of an image, and its producer.
    pub fn running(&self, id: &ImageId) -> Option<(Arc<Progress>, Producer)> {
        let known = lock(&self.running).get(id).and_then(Weak::upgrade)?;
        let producer = known.wait_for_producer()?;
        Some((known, producer))
    }

    /// The progress of an image's fetch, unless it has ended.
    pub fn progress(&self, id: &ImageId) -> Option<FetchProgress> {
        lock(&self.running).get(id).and_then(Weak::upgrade)?.progress_info()
    }

    /// Removes a fetch.
    pub fn release(&self, id: &ImageId, progress: &Arc<Progress>) {
        let mut running = lock(&self.running);
        if running.get(id).is_some_and(|known| known.ptr_eq(&Arc::downgrade(progress))) {
            running.remove(id);
        }
    }
}
