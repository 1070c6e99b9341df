//! The table of a response store: what is cached, and what is in flight.

use crate::stored_response::StoredResponse;
use crate::upstream::UpstreamError;
use hyper::header::HeaderMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// So many responses of cached images are kept in memory.
const MOST_CACHED: usize = 10_000;

/// From so many images in flight on, entries that say nothing any more are removed.
const SWEEP_AT: usize = 1000;

/// No more images are remembered whose responses cannot be shared.
const MOST_IN_FLIGHT: usize = 100_000;

/// What is known of images. An image has a cached response, or a fetch, or neither.
#[derive(Debug, Default)]
pub(super) struct Table {
    cached: HashMap<String, Arc<StoredResponse>>,
    in_flight: HashMap<String, InFlight>,
}

/// An image that is being fetched, or asked for.
#[derive(Debug, Default)]
struct InFlight {
    fetch: Option<InFlightFetch>,
    lock: Option<LockState>,
}

/// A fetch that runs.
#[derive(Debug)]
pub(super) struct InFlightFetch {
    /// Tells this fetch from other fetches of the image.
    pub generation: u64,
    pub stored: Arc<StoredResponse>,
    /// Whether this fetch fills the cache, and not another one.
    pub fills_cache: bool,
    /// Whether another fetch has begun since. It is unknown which of both fills the cache.
    pub has_rival: bool,
    /// Whether the image is to be deleted when the fetch has ended.
    pub is_discarded: bool,
}

impl InFlightFetch {
    pub fn new(generation: u64, stored: Arc<StoredResponse>) -> InFlightFetch {
        InFlightFetch {
            generation,
            stored,
            fills_cache: false,
            has_rival: false,
            is_discarded: false,
        }
    }
}

/// Whether a request for an image must wait for another one.
#[derive(Debug)]
pub(super) enum LockState {
    /// A request holds the lock, and asks the upstream.
    Held(watch::Receiver<Option<FetchOutcome>>),
    /// Responses cannot be shared, until then.
    NotShared(Instant),
    /// Responses vary by these fields, until then.
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

/// What came of the request that held the lock.
#[derive(Debug, Clone)]
pub enum FetchOutcome {
    /// A response that those who waited may share; its image is cached, or being fetched.
    Shared(Arc<StoredResponse>),
    /// A response for the one request only.
    NotShared,
    /// There was no response.
    Failed(UpstreamError),
    /// The request ended without saying.
    Unknown,
}

impl Table {
    /// The response of the cached image.
    pub fn cached(&self, id: &str) -> Option<&Arc<StoredResponse>> {
        self.cached.get(id)
    }

    /// The fetch that runs.
    pub fn fetch(&self, id: &str) -> Option<&InFlightFetch> {
        self.in_flight.get(id)?.fetch.as_ref()
    }

    pub fn fetch_mut(&mut self, id: &str) -> Option<&mut InFlightFetch> {
        self.in_flight.get_mut(id)?.fetch.as_mut()
    }

    /// The fetch of this generation, if it is the one that is known.
    pub fn generation_mut(&mut self, id: &str, generation: u64) -> Option<&mut InFlightFetch> {
        self.fetch_mut(id).filter(|fetch| fetch.generation == generation)
    }

    /// Registers a fetch in place of whatever was known.
    pub fn set_fetch(&mut self, id: &str, fetch: InFlightFetch) {
        self.cached.remove(id);
        self.in_flight.entry(id.to_owned()).or_default().fetch = Some(fetch);
    }

    /// Registers the response of a cached image in place of whatever was known.
    pub fn set_cached(&mut self, id: &str, stored: Arc<StoredResponse>) {
        self.remove_fetch(id);
        if self.cached.len() >= MOST_CACHED {
            self.cached.clear();
        }
        self.cached.insert(id.to_owned(), stored);
    }

    pub fn remove_fetch(&mut self, id: &str) {
        if let Some(entry) = self.in_flight.get_mut(id) {
            entry.fetch = None;
            if entry.lock.is_none() {
                self.in_flight.remove(id);
            }
        }
    }

    /// Removes what is known of an image; a lock stays.
    pub fn remove(&mut self, id: &str) {
        self.cached.remove(id);
        self.remove_fetch(id);
    }

    pub fn lock(&self, id: &str) -> Option<&LockState> {
        self.in_flight.get(id)?.lock.as_ref()
    }

    pub fn set_lock(&mut self, id: &str, lock: LockState) {
        if self.in_flight.len() >= SWEEP_AT {
            self.in_flight.retain(|_, entry| {
                entry.lock.take_if(|lock| !lock.is_current());
                entry.fetch.is_some() || entry.lock.is_some()
            });
        }
        self.in_flight.entry(id.to_owned()).or_default().lock = Some(lock);
    }

    pub fn remove_lock(&mut self, id: &str) {
        if let Some(entry) = self.in_flight.get_mut(id) {
            entry.lock = None;
            if entry.fetch.is_none() {
                self.in_flight.remove(id);
            }
        }
    }

    /// Whether there is room to remember one more image whose responses cannot be shared.
    pub fn has_room(&self) -> bool {
        self.in_flight.len() < MOST_IN_FLIGHT
    }
}
