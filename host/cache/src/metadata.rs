//! The records of the cache: the driver in use, what happens when it fails, and what remains to be repaired.
//!
//! A call that fails by trap, deadline or lie costs that call; a driver that keeps failing is replaced by
//! the built-in sqlite driver for the life of this process. Whatever could not be written leaves the records
//! *out of sync*: they are reconciled with the directory as soon as they work again.

mod breaker;
mod budget;
mod call;
mod classify;
mod failover;
mod in_use;
mod pages;
mod retry;
mod sync_state;

use crate::error::{Error, Result};
use crate::metrics::CacheMetrics;
use classify::Idempotency;
use failover::Failover;
use image_cache_engine::OpenImage;
use image_cache_model::{CacheSize, CachedImage, Config, Eviction, Hit, ImageId, Leftover, Victim};
use image_cache_store::Directory;
use in_use::InUse;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use sync_state::Backoff;

pub(crate) use budget::DriverBudget;
pub use in_use::{DriverStatus, Fallback};
pub(crate) use pages::Pages;
pub(crate) use sync_state::{DirectorySnapshot, Reconciled};

/// Records per page when the records are read.
pub(crate) const PAGE: u32 = 1000;

/// Records without a file that a driver which is not built in may list.
pub(crate) const MAX_ORPHAN_RECORDS: usize = 100_000;

/// The records of the cached images, kept by the driver in use.
///
/// Each operation is one call of the driver, with a deadline, retries and failover. A read can answer from records that do
/// not agree with the directory: [`is_in_sync`](Self::is_in_sync) says whether they do. To drop it closes the records.
pub(crate) struct MetadataStore {
    driver: Failover,
}

impl MetadataStore {
    /// Loads the configured driver, or else sqlite; an error with both reasons if neither works.
    pub fn open(
        config: Arc<Config>,
        directory: Arc<Directory>,
        metrics: Arc<CacheMetrics>,
    ) -> Result<MetadataStore> {
        Ok(MetadataStore { driver: Failover::open(config, directory, metrics)? })
    }

    /// Which driver serves, and why if it is not the configured one.
    pub fn status(&self) -> DriverStatus {
        self.driver.status()
    }

    /// Runs `reconcile` if something could not be written before, unless that just failed again; waits for
    /// another thread that does. Never call it with the directory locked.
    pub fn reconcile_if_dirty(&self, reconcile: impl FnOnce() -> Result<Reconciled>) -> Result<()> {
        self.driver.sync.reconcile_if_dirty(Backoff::Respected, || self.driver.in_use(), reconcile)
    }

    /// The same, even if that just failed: for a caller that cannot go on without the records.
    pub fn reconcile_now(&self, reconcile: impl FnOnce() -> Result<Reconciled>) -> Result<()> {
        self.driver.sync.reconcile_if_dirty(Backoff::Ignored, || self.driver.in_use(), reconcile)
    }

    /// Looks whether the driver's database was removed or replaced, which its next call would find out.
    pub fn check_database(&self) {
        let in_use = self.in_use();
        if in_use.driver.close_replaced_database() {
            self.driver.note_replaced(&in_use);
        }
    }

    /// Runs `reconcile` if an entry of the directory came or went, through any process, since that was done last; seldom if it takes long.
    /// `changed` says when that was. Never call it with the directory locked.
    pub fn reconcile_changes(
        &self,
        changed: impl FnOnce() -> Result<SystemTime>,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        self.driver.sync.reconcile_changes(changed, reconcile)
    }

    /// Says that records and directory differ.
    pub fn mark_dirty(&self) {
        self.driver.sync.mark_dirty();
    }

    /// Whether records and directory agree, as far as is known.
    pub fn is_in_sync(&self) -> bool {
        self.driver.sync.is_in_sync()
    }

    /// Whether they were brought into sync lately, when the directory held just this.
    pub fn matches_last_reconcile(&self, snapshot: DirectorySnapshot) -> bool {
        self.driver.sync.matches_last_reconcile(snapshot)
    }

    pub fn is_cacheable(&self, id: &ImageId, size: Option<u64>, now: SystemTime) -> Result<bool> {
        let operation = "ask whether an image is cacheable";
        self.driver.call(operation, Idempotency::Safe, &DriverBudget::one_call(), |d| {
            d.is_cacheable(id, size, now)
        })
    }

    pub fn record_cached(
        &self,
        image: &CachedImage,
        file: Option<&File>,
        budget: &DriverBudget,
    ) -> Result<()> {
        self.driver
            .change("record an image", Idempotency::Safe, budget, |d| d.record_cached(image, file))
    }

    /// Counts hits; `opened` is the file of an image among them, if it is at hand.
    pub fn record_hits(
        &self,
        hits: &[Hit],
        opened: Option<&OpenImage>,
        budget: &DriverBudget,
    ) -> Result<()> {
        let operation = "record hits";
        // A driver without records of the images would pass the hits over.
        if !self.is_in_sync() {
            return Err(self.not_called(operation, "the records are to be repaired first"));
        }
        self.driver
            .call(operation, Idempotency::Never, budget, |d| d.record_hits_with(hits, opened))
    }

    pub fn forget(&self, ids: &[ImageId], budget: &DriverBudget) -> Result<()> {
        self.driver.change("forget images", Idempotency::Safe, budget, |d| d.forget(ids))
    }

    pub fn cached_image(&self, id: &ImageId, budget: &DriverBudget) -> Result<Option<CachedImage>> {
        self.driver.call("look up an image", Idempotency::Safe, budget, |d| d.cached_image(id))
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        self.driver
            .call("count images", Idempotency::Safe, &DriverBudget::one_call(), |d| d.cache_size())
    }

    fn cached_images(
        &self,
        after: Option<&ImageId>,
        limit: u32,
        budget: &DriverBudget,
    ) -> Result<Vec<CachedImage>> {
        // Counted apart: a first page that is sound does not make up for a second one that is not.
        let operation = if after.is_some() { "go on with a list" } else { "list images" };
        self.driver.call(operation, Idempotency::Safe, budget, |d| d.cached_images(after, limit))
    }

    pub fn select_victims(
        &self,
        eviction: &Eviction<'_>,
        budget: &DriverBudget,
    ) -> Result<Vec<Victim>> {
        self.driver
            .call("select victims", Idempotency::Safe, budget, |d| d.select_victims(eviction))
    }

    pub fn select_leftovers(
        &self,
        leftovers: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
        budget: &DriverBudget,
    ) -> Result<Vec<Leftover>> {
        self.driver.call("select leftovers", Idempotency::Safe, budget, |d| {
            d.select_leftovers(leftovers, stalled_before, now)
        })
    }

    /// Counts an answer that is nonsense, though no single answer is against the contract. True if the driver was replaced
    /// for that, so that it is worth asking again.
    pub fn distrust(&self, operation: &'static str, reason: &str) -> bool {
        self.driver.distrust(operation, reason)
    }

    /// Whether the driver came with the host, and is believed what nobody can check.
    pub fn is_built_in(&self) -> bool {
        self.driver.is_built_in()
    }

    /// Why the driver is not called, as an error.
    pub fn not_called(&self, operation: &'static str, reason: &str) -> Error {
        self.driver.not_called(operation, reason)
    }

    /// When a call that starts now must be over.
    pub fn end_of_call(&self) -> Instant {
        self.driver.in_use().driver.end_of_call()
    }

    /// Whether this driver is still in use.
    pub fn is_served_by(&self, driver: &Arc<InUse>) -> bool {
        self.driver.is_served_by(driver)
    }

    /// The driver in use at this moment.
    pub fn in_use(&self) -> Arc<InUse> {
        self.driver.in_use()
    }
}

impl fmt::Debug for MetadataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataStore").field("driver", &self.status()).finish_non_exhaustive()
    }
}
