//! The table of a response store: what is cached, and what is in flight.

use crate::stored_response::StoredResponse;
use crate::upstream::UpstreamError;
use hyper::header::HeaderMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The maximum number of responses of cached images in memory.
const MOST_CACHED: usize = 10_000;

/// When there are this many locks, the expired ones are removed.
const SWEEP_AT: usize = 1000;

/// The maximum number of images whose responses cannot be shared.
const MOST_LOCKS: usize = 100_000;

/// What is known about images. An image has a cached response, or a fetch, or neither.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The responses of cached images; [`set_cached`](Table::set_cached) adds one.
    pub cached: HashMap<String, Arc<StoredResponse>>,
    /// The running fetches; [`set_fetch`](Table::set_fetch) adds one.
    pub fetches: HashMap<String, InFlightFetch>,
    /// Which requests wait for another one; [`set_lock`](Table::set_lock) adds one.
    pub locks: HashMap<String, LockState>,
    /// How many fetches have started.
    pub generations: u64,
}

/// A running fetch.
#[derive(Debug, Default)]
pub(super) struct InFlightFetch {
    /// Distinguishes this fetch from other fetches of the image.
    pub generation: u64,
    pub stored: Arc<StoredResponse>,
    /// Whether this fetch fills the cache, and not another one.
    pub fills_cache: bool,
    /// Whether another fetch has started since. It is unknown which of the two fills the cache.
    pub has_rival: bool,
    /// Whether the image must be deleted when the fetch has ended.
    pub is_discarded: bool,
}

/// Whether a request for an image must wait for another one.
#[derive(Debug)]
pub(super) enum LockState {
    /// A request holds the lock, and asks the upstream.
    Held(watch::Receiver<Option<FetchOutcome>>),
    /// Responses cannot be shared, until this time.
    NotShared(Instant),
    /// Responses vary on these fields, until this time.
    Varies(Instant, Arc<HeaderMap>),
}

impl LockState {
    fn is_current(&self) -> bool {
        match self {
            LockState::Held(_) => true,
            LockState::NotShared(until) | LockState::Varies(until, _) => Instant::now() < *until,
        }
    }
}

/// The outcome of the request that held the lock.
#[derive(Debug, Clone)]
pub enum FetchOutcome {
    /// A response that the waiting requests may share; its image is cached, or being fetched.
    Shared(Arc<StoredResponse>),
    /// A response for this one request only.
    NotShared,
    /// There was no response.
    Failed(UpstreamError),
    /// The request ended without an outcome.
    Unknown,
}

impl Table {
    /// The fetch of this generation, if it is the registered one.
    pub fn generation_mut(&mut self, id: &str, generation: u64) -> Option<&mut InFlightFetch> {
        self.fetches.get_mut(id).filter(|fetch| fetch.generation == generation)
    }

    /// Registers a fetch in place of any earlier entry.
    pub fn set_fetch(&mut self, id: &str, fetch: InFlightFetch) {
        self.cached.remove(id);
        self.fetches.insert(id.to_owned(), fetch);
    }

    /// Registers the response of a cached image in place of any earlier entry.
    pub fn set_cached(&mut self, id: &str, stored: Arc<StoredResponse>) {
        self.fetches.remove(id);
        if self.cached.len() >= MOST_CACHED {
            self.cached.clear();
        }
        self.cached.insert(id.to_owned(), stored);
    }

    /// Removes the entries of an image; a lock stays.
    pub fn remove(&mut self, id: &str) {
        self.cached.remove(id);
        self.fetches.remove(id);
    }

    pub fn set_lock(&mut self, id: &str, lock: LockState) {
        if self.locks.len() >= SWEEP_AT {
            self.locks.retain(|_, lock| lock.is_current());
        }
        self.locks.insert(id.to_owned(), lock);
    }

    /// Whether there is room to remember one more image whose responses cannot be shared.
    pub fn has_room(&self) -> bool {
        self.locks.len() < MOST_LOCKS
    }
}
