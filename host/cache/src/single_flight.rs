//! Many readers of one fetch: they read its growing file, and end as it ends.
//!
//! **Following.** Each [fill](crate::fill) tells its [`Progress`]: how much of its file may be read, and how it
//! ended. The progress of all fills of this cache that run is found in [`InFlight`]. A
//! [`Follower`](follower::Follower) reads the file up to the byte before the last one written, and waits.
//! The end says what the others get: the last byte (verified), the same error, or that they are on their own.
//!
//! **Who reads the source.** The source of a fetch that [`get_or_fetch`](crate::ImageCache::get_or_fetch)
//! started belongs to no reader: it lies in a [`SharedFetch`], and whichever reader has nothing left to read takes
//! the source, reads the next piece into the file, and puts it back. So nobody waits for a reader that is slow
//! or gone, no thread is needed, and the fetch ends when its last reader goes (or goes on, by option, in a
//! thread of its own). In tokio a task reads it, as fast as the bytes come, from the first read on: so there a slow
//! reader delays no other one, not even if it is the only one. The source of a
//! [`caching_reader`](crate::ImageCache::caching_reader) is its reader's alone: a follower waits for that
//! reader, but no longer than `image_cache_other_writer_patience`. That bound is also what ends the wait of a
//! thread that would have to read the source itself, with the other reader that it holds. A writer that was found to write
//! nothing is remembered until it writes something: a later reader does not wait for it again.
//!
//! **Another process.** Its growing file is [read in the same way](external::ExternalFile): the writer's lock says that
//! it lives, the rename that it was right.
//!
//! **Starting over.** If a fetch is broken off, the cache fails, or a writer writes nothing for too long, a
//! reader looks for the image [anew](request::Request::resolve), as if it had just come: it may be cached by now, or
//! fetched by another reader, or it is this reader's turn to fetch. It reads from the beginning again, but hands out
//! only what is new: every byte that it has handed out before is [compared](replay_check::ReplayCheck) first. So what a
//! reader gets is always one source's whole, verified image, and no file ever holds bytes of two.

#![cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "some of it is for tasks alone"))]

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
mod stuck;

#[cfg(feature = "tokio")]
pub(crate) use self::{
    follower::Follower,
    progress::PumpCall,
    reader_state::{Action, ReaderState, SourceNeed, SourceToken},
};
pub(crate) use growing_file::{Completed, FetchEnd};
pub(crate) use producer::Producer;
pub(crate) use progress::Progress;
pub use progress_info::{FetchProgress, Route};
pub use reader::FetchReader;
pub(crate) use request::Request;
use stuck::StuckWriters;

use image_cache_model::ImageId;
use image_cache_store::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

/// The fetches of this cache that run, by their images.
///
/// A fill [claims](Self::claim) its image before it starts and [releases](Self::release) it when it is dropped; readers ask it
/// what there is to follow.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    running: Mutex<BTreeMap<ImageId, Weak<Progress>>>,
    /// Writers of other processes that write nothing.
    pub stuck: StuckWriters,
}

impl InFlight {
    /// Enters a fetch that is about to start, of so many bytes where that is known; nothing if one runs already.
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

    /// The fetch of an image that runs, and its producer.
    pub fn running(&self, id: &ImageId) -> Option<(Arc<Progress>, Producer)> {
        let known = lock(&self.running).get(id).and_then(Weak::upgrade)?;
        let producer = known.wait_for_producer()?;
        Some((known, producer))
    }

    /// How far the fetch of an image has come, unless it has ended.
    pub fn progress(&self, id: &ImageId) -> Option<FetchProgress> {
        lock(&self.running).get(id).and_then(Weak::upgrade)?.progress_info()
    }

    /// Strikes a fetch off.
    pub fn release(&self, id: &ImageId, progress: &Arc<Progress>) {
        let mut running = lock(&self.running);
        if running.get(id).is_some_and(|known| known.ptr_eq(&Arc::downgrade(progress))) {
            running.remove(id);
        }
    }
}
