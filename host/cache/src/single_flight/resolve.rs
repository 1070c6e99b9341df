//! Finds where the bytes of an image are available now.

use super::external::ExternalFile;
use super::follower::Follower;
use super::producer::Producer;
use super::progress_info::Route;
use super::request::Request;
use crate::error::{Error, FetchLoss, check_promises};
use crate::fill::Fill;
use crate::outcome::{CacheFailure, Outcome};
use crate::reading::CachedReader;
use image_cache_model::OtherWriter;
use std::sync::Arc;
use std::time::Duration;

/// Attempts that may interfere with the steps of another fetch, before the image is fetched without the cache.
const RESOLVE_ATTEMPTS: u32 = 100;

/// Where an image was found.
pub(crate) enum Resolved {
    /// In the cache.
    Cached(CachedReader),
    /// In a running fetch.
    Running(Follower),
    /// At the source; this reader fetches it for all.
    OwnFetch(Fill),
    /// At the source, without the cache.
    Bypass(Fill),
}

impl Resolved {
    pub fn route(&self) -> Route {
        match self {
            Resolved::Cached(_) => Route::Cached,
            Resolved::Running(_) => Route::Shared,
            Resolved::OwnFetch(_) => Route::Fetching,
            Resolved::Bypass(_) => Route::Passing,
        }
    }
}

impl Request {
    /// Looks for the image, and starts a fetch if it is not cached and has no writer.
    pub fn resolve(&self) -> Resolved {
        for _ in 0..RESOLVE_ATTEMPTS {
            match self.cached() {
                Ok(Some(reader)) => return Resolved::Cached(reader),
                Ok(None) => {}
                Err(outcome) => return self.bypassing(outcome),
            }
            if self.check_writer_stuck() {
                return self.bypassing(Outcome::BeingCached);
            }
            if let Some(follow) = self.running() {
                return Resolved::Running(follow);
            }
            let (inner, image_id) = (Arc::clone(&self.inner), self.image_id.clone());
            let fill = Fill::start(inner, image_id, self.expected.clone(), self.requester.clone());
            match fill.bypass_reason() {
                None => return Resolved::OwnFetch(fill),
                Some(Outcome::AlreadyCached) => {}
                Some(Outcome::BeingCached) if self.follows_external_writers() => {}
                Some(_) => return Resolved::Bypass(fill),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.bypassing(Outcome::BeingCached)
    }

    /// Looks for the image for a reader without a source; `None` if it is neither cached nor being fetched.
    pub fn resolve_without_source(&self) -> Option<Resolved> {
        for _ in 0..2 {
            if let Ok(Some(reader)) = self.cached() {
                return Some(Resolved::Cached(reader));
            }
            // It may be published between the two checks.
            if let Some(follow) = self.running() {
                return Some(Resolved::Running(follow));
            }
        }
        None
    }

    /// Where a reader continues after it lost a fetch; `None` if it cannot.
    pub fn resolve_again(&self, lost: FetchLoss, has_source: bool) -> Option<Resolved> {
        match (lost, has_source) {
            (FetchLoss::Abandoned, true) => Some(self.resolve()),
            (FetchLoss::Abandoned, false) => self.resolve_without_source(),
            (_, false) => None,
            (FetchLoss::CacheFailed, true) => {
                Some(self.bypassing(Outcome::CacheFailed(CacheFailure::SharedFetchFailed)))
            }
            (FetchLoss::Stuck, true) => Some(self.bypassing(Outcome::BeingCached)),
        }
    }

    /// A fetch that bypasses the cache.
    fn bypassing(&self, outcome: Outcome) -> Resolved {
        let (inner, image_id) = (Arc::clone(&self.inner), self.image_id.clone());
        Resolved::Bypass(Fill::bypassing(inner, image_id, self.expected.clone(), outcome))
    }

    /// The cached image; if it is not the expected one or cannot be read, the outcome for the reader.
    fn cached(&self) -> Result<Option<CachedReader>, Outcome> {
        match CachedReader::open(&self.inner, &self.image_id, self.range.clone(), &self.requester) {
            Ok(None) => Ok(None),
            Ok(Some(reader)) if !self.distrusts_cached && self.agrees(&reader) => Ok(Some(reader)),
            Ok(Some(_)) => Err(Outcome::AlreadyCached),
            // It was quarantined, and is fetched again.
            Err(Error::Corrupt { .. }) => Ok(None),
            Err(error) => {
                tracing::warn!(image = %self.image_id, %error, "the cached image cannot be read; it is fetched");
                let failure = CacheFailure::CachedUnreadable(Arc::new(error));
                Err(Outcome::CacheFailed(failure))
            }
        }
    }

    /// Whether a cached image is the expected one, according to the records.
    fn agrees(&self, reader: &CachedReader) -> bool {
        let recorded = self.recorded_checksum();
        let (size, recorded) = (reader.image_size(), recorded.as_slice());
        let checked = check_promises(&self.expected, &self.image_id, size, recorded);
        if let Err(error) = &checked {
            tracing::warn!(image = %self.image_id, %error, "the cached image is not the expected one; it is fetched");
        }
        checked.is_ok()
    }

    fn running(&self) -> Option<Follower> {
        if let Some(running) = self.inner.in_flight.running(&self.image_id) {
            return Follower::join(self, running);
        }
        if !self.follows_external_writers() {
            return None;
        }
        let external = ExternalFile::open(self).ok().flatten()?;
        // It may be a fetch of this process that started between the two checks.
        let here = self.inner.in_flight.running(&self.image_id);
        let here = here.and_then(|running| Follower::join(self, running));
        here.or_else(|| Some(Follower::of_external(self, external)))
    }

    /// Whether the writer of the image is known to make no progress, and has written nothing since. Forgets a writer that writes
    /// again.
    fn check_writer_stuck(&self) -> bool {
        let in_flight = &self.inner.in_flight;
        if let Some((progress, producer)) = in_flight.running(&self.image_id) {
            return !matches!(producer, Producer::AnyReader(_)) && progress.is_stuck();
        }
        if !in_flight.stuck.has(&self.image_id) || !self.follows_external_writers() {
            return false;
        }
        let external = ExternalFile::open(self).ok().flatten();
        if external.is_none() {
            in_flight.stuck.forget(&self.image_id);
        }
        external.is_some_and(|external| external.check_known_stuck())
    }

    fn follows_external_writers(&self) -> bool {
        self.inner.config().other_writer == OtherWriter::Follow
    }
}
