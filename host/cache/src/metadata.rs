//! The records of the cache: the driver in use, its failover, and the repair of records.
//!
//! A trap, an exceeded deadline or an invalid answer fails the call. The built-in sqlite driver replaces a driver that keeps
//! failing, until this process ends. A record that could not be written leaves the records *dirty*: they are reconciled with the
//! directory as soon as they work again.

mod breaker;
mod budget;
mod call;
mod classify;
mod failover;
mod fallback;
mod in_use;
pub(crate) mod last_fallback;
mod notices;
mod pages;
mod retry;
mod sync_state;
mod tick_timer;

use crate::error::{DriverFailure, Result};
use crate::events::EventHub;
use crate::live_config::LiveConfig;
use crate::metrics::CacheMetrics;
use breaker::Breaker;
use classify::Idempotency;
use image_cache_engine::OpenImage;
use image_cache_model::{
    AdmissionRequest, CacheSize, CachedImage, Decision, Event, Eviction, Hit, ImageId, Leftover,
    Victim,
};
use image_cache_store::Directory;
use in_use::InUse;

use std::fmt;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use sync_state::SyncState;
use tick_timer::TickTimer;

pub(crate) use budget::DriverBudget;
pub use fallback::{Fallback, FallbackReason};
pub use in_use::DriverStatus;
pub use last_fallback::LastFallback;
pub(crate) use pages::Pages;
pub(crate) use sync_state::{Backoff, DirectorySnapshot, Reconciled};

/// Records per page when the records are read.
pub(crate) const PAGE: u32 = 1000;

/// Orphan records that a driver may list, unless it is built in.
pub(crate) const MAX_ORPHAN_RECORDS: usize = 100_000;

/// The records of the cached images, kept by the driver in use.
///
/// Each operation is one call of the driver, with a deadline, retries and failover. A read may return records that differ from
/// the directory: see [`SyncState`]. A drop closes the records.
pub(crate) struct MetadataStore {
    config: Arc<LiveConfig>,
    directory: Arc<Directory>,
    in_use: Mutex<Arc<InUse>>,
    /// Whether the driver in use wants events or ticks: most drivers do not, and this is asked at each hit.
    is_listening: AtomicBool,
    breaker: Breaker,
    metrics: Arc<CacheMetrics>,
    events: Arc<EventHub>,
    timer: TickTimer,
    /// Whether records and directory are known to agree.
    pub sync: SyncState,
}

impl MetadataStore {
    /// Runs `reconcile` if the records are dirty, and waits for another thread that does so. Never call it with the directory
    /// locked.
    pub fn reconcile_if_dirty(
        &self,
        backoff: Backoff,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        self.sync.reconcile_if_dirty(backoff, || self.in_use(), reconcile)
    }

    pub fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Decision> {
        self.tick_if_due();
        let operation = "ask whether an image is cacheable";
        self.call(operation, Idempotency::Safe, &DriverBudget::one_call(), |d| d.admit(request))
    }

    pub fn record_cached(
        &self,
        image: &CachedImage,
        file: Option<&File>,
        budget: &DriverBudget,
    ) -> Result<()> {
        self.change("record an image", Idempotency::Safe, budget, |d| d.record_cached(image, file))
    }

    /// Records hits; `opened` is an open file of one of their images, if any.
    pub fn record_hits(
        &self,
        hits: &[Hit],
        opened: Option<&OpenImage>,
        budget: &DriverBudget,
    ) -> Result<()> {
        let operation = "record hits";
        let is_listening = self.is_listening.load(Ordering::Relaxed);
        if is_listening {
            self.tick_if_due();
        }
        // A driver without records of the images would ignore the hits.
        if !self.sync.is_in_sync() {
            return Err(self.in_use().error(operation, DriverFailure::RecordsDirty));
        }
        self.call(operation, Idempotency::Never, budget, |d| d.record_hits_with(hits, opened))?;
        if is_listening {
            self.notify(budget, || hits.iter().map(Event::from).collect());
        }
        Ok(())
    }

    pub fn forget(&self, ids: &[ImageId], budget: &DriverBudget) -> Result<()> {
        self.change("forget images", Idempotency::Safe, budget, |d| d.forget(ids))
    }

    pub fn cached_image(&self, id: &ImageId, budget: &DriverBudget) -> Result<Option<CachedImage>> {
        self.call("look up an image", Idempotency::Safe, budget, |d| d.cached_image(id))
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        self.call("count images", Idempotency::Safe, &DriverBudget::one_call(), |d| d.cache_size())
    }

    fn cached_images(
        &self,
        after: Option<&ImageId>,
        limit: u32,
        budget: &DriverBudget,
    ) -> Result<Vec<CachedImage>> {
        // Counted separately: a successful first page must not compensate for a failing second one.
        let operation = if after.is_some() { "go on with a list" } else { "list images" };
        self.call(operation, Idempotency::Safe, budget, |d| d.cached_images(after, limit))
    }

    pub fn select_victims(
        &self,
        eviction: &Eviction<'_>,
        budget: &DriverBudget,
    ) -> Result<Vec<Victim>> {
        self.tick_if_due();
        self.call("select victims", Idempotency::Safe, budget, |d| d.select_victims(eviction))
    }

    pub fn select_leftovers(
        &self,
        leftovers: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
        budget: &DriverBudget,
    ) -> Result<Vec<Leftover>> {
        self.call("select leftovers", Idempotency::Safe, budget, |d| {
            d.select_leftovers(leftovers, stalled_before, now)
        })
    }
}

impl fmt::Debug for MetadataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataStore").field("driver", &self.status()).finish_non_exhaustive()
    }
}
