//! The records of the cache: the driver in use, what happens when it fails, and what remains to be repaired.
//!
//! A call that fails by trap, deadline or lie costs that call; a driver that keeps failing is replaced by
//! the built-in sqlite driver for the life of this process. Whatever could not be written leaves the records
//! *out of sync*: they are reconciled with the directory as soon as they work again.

mod breaker;
mod budget;
mod call;
mod pages;
mod retry;
mod sync_state;

use crate::error::{Error, Result};
use crate::metrics::Metrics;
use breaker::{Breaker, FailureCost};
use call::Idempotency;
use image_cache_engine::{Driver, OpenImage, compile_fallback};
use image_cache_model::{CacheSize, CachedImage, Config, Eviction, Hit, ImageId, Leftover, Victim};
use image_cache_store::Directory;
use image_cache_store::sync::read;
use std::fmt;
use std::fs::File;
use std::sync::{Arc, RwLock};
use std::time::{Instant, SystemTime};
use sync_state::SyncState;

pub(crate) use budget::Budget;
pub(crate) use pages::Pages;
pub(crate) use sync_state::{DirectorySnapshot, Reconciled};

/// The driver that serves when another cannot.
const LAST_RESORT: &str = "sqlite";

/// Records per page when the records are read.
pub(crate) const PAGE: u32 = 1000;

/// Records without a file that a driver which is not built in may list.
pub(crate) const MAX_ORPHAN_RECORDS: usize = 100_000;

/// Which driver serves, and why where it is not the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverStatus {
    /// The name under which it was loaded.
    pub name: String,
    /// What it says its version is.
    pub version: String,
    /// Set where it stands in for the configured driver.
    pub fallback: Option<Fallback>,
}

/// Why the sqlite driver serves instead of the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The driver in the configuration.
    pub configured: String,
    /// Why it could not be used.
    pub reason: String,
}

/// A driver, and why it serves where it is not the configured one.
pub(crate) struct InUse {
    driver: Driver,
    fallback: Option<Fallback>,
}

pub(crate) struct MetadataStore {
    config: Arc<Config>,
    directory: Arc<Directory>,
    in_use: RwLock<Arc<InUse>>,
    breaker: Breaker,
    metrics: Arc<Metrics>,
    sync: SyncState,
}

impl MetadataStore {
    /// Loads the configured driver, or else sqlite; an error with both reasons where neither works.
    pub fn open(
        config: Arc<Config>,
        directory: Arc<Directory>,
        metrics: Arc<Metrics>,
    ) -> Result<MetadataStore> {
        let in_use = match Driver::load(&config.driver, &config, Arc::clone(&directory)) {
            Ok(driver) => {
                if !is_last_resort(&config.driver) {
                    compile_fallback();
                }
                InUse { driver, fallback: None }
            }
            Err(error) => {
                let reason = error.to_string();
                let fallback = fall_back(&config, &directory, reason)?;
                metrics.fallbacks.inc();
                fallback
            }
        };
        Ok(MetadataStore {
            config,
            directory,
            in_use: RwLock::new(Arc::new(in_use)),
            breaker: Breaker::default(),
            metrics,
            sync: SyncState::default(),
        })
    }

    pub fn status(&self) -> DriverStatus {
        let in_use = self.in_use();
        DriverStatus {
            name: in_use.driver.name().to_owned(),
            version: in_use.driver.version().to_owned(),
            fallback: in_use.fallback.clone(),
        }
    }

    /// Runs `reconcile` if something could not be written before, unless that just failed again; waits for
    /// whoever is at it. Never call it with the directory locked.
    pub fn reconcile_if_dirty(&self, reconcile: impl FnOnce() -> Result<Reconciled>) -> Result<()> {
        self.sync.reconcile_if_dirty(|| self.in_use(), reconcile)
    }

    /// Looks whether the driver's database was removed or replaced, which its next call would find out.
    pub fn look_after_database(&self) {
        let in_use = self.in_use();
        if in_use.driver.close_replaced_database() {
            self.note_replaced(&in_use);
        }
    }

    /// Runs `reconcile` if an entry of the directory came or went, by whomever, since that was done last; seldom where it takes long.
    /// `changed` says when that was. Never call it with the directory locked.
    pub fn reconcile_changes(
        &self,
        changed: impl FnOnce() -> Result<SystemTime>,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        self.sync.reconcile_changes(changed, reconcile)
    }

    /// Says that records and directory differ.
    pub fn mark_dirty(&self) {
        self.sync.mark_dirty();
    }

    /// Whether records and directory agree, as far as is known.
    pub fn is_in_sync(&self) -> bool {
        self.sync.is_in_sync()
    }

    /// Whether they were brought into sync lately, when the directory held just this.
    pub fn matches_last_reconcile(&self, held: DirectorySnapshot) -> bool {
        self.sync.matches_last_reconcile(held)
    }

    pub fn is_cacheable(&self, id: &ImageId, size: Option<u64>, now: SystemTime) -> Result<bool> {
        let operation = "ask whether an image is cacheable";
        self.call(operation, Idempotency::Safe, &Budget::one_call(), |d| {
            d.is_cacheable(id, size, now)
        })
    }

    pub fn record_cached(
        &self,
        image: &CachedImage,
        file: Option<&File>,
        budget: &Budget,
    ) -> Result<()> {
        self.change("record an image", Idempotency::Safe, budget, |d| d.record_cached(image, file))
    }

    /// Counts hits; `opened` is the file of an image among them, where it is at hand.
    pub fn record_hits(
        &self,
        hits: &[Hit],
        opened: Option<&OpenImage>,
        budget: &Budget,
    ) -> Result<()> {
        let operation = "record hits";
        // Books without the images' records would pass the hits over.
        if !self.is_in_sync() {
            return Err(self.not_asked(operation, "the records are to be repaired first"));
        }
        self.call(operation, Idempotency::Never, budget, |d| d.record_hits_with(hits, opened))
    }

    pub fn forget(&self, ids: &[ImageId], budget: &Budget) -> Result<()> {
        self.change("forget images", Idempotency::Safe, budget, |d| d.forget(ids))
    }

    pub fn cached_image(&self, id: &ImageId, budget: &Budget) -> Result<Option<CachedImage>> {
        self.call("look up an image", Idempotency::Safe, budget, |d| d.cached_image(id))
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        self.call("count images", Idempotency::Safe, &Budget::one_call(), |d| d.cache_size())
    }

    fn cached_images(
        &self,
        after: Option<&ImageId>,
        limit: u32,
        budget: &Budget,
    ) -> Result<Vec<CachedImage>> {
        // Counted apart: a first page that is sound does not make up for a second one that is not.
        let operation = if after.is_some() { "go on with a list" } else { "list images" };
        self.call(operation, Idempotency::Safe, budget, |d| d.cached_images(after, limit))
    }

    pub fn select_victims(&self, eviction: &Eviction<'_>, budget: &Budget) -> Result<Vec<Victim>> {
        self.call("select victims", Idempotency::Safe, budget, |d| d.select_victims(eviction))
    }

    pub fn select_leftovers(
        &self,
        leftovers: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
        budget: &Budget,
    ) -> Result<Vec<Leftover>> {
        self.call("select leftovers", Idempotency::Safe, budget, |d| {
            d.select_leftovers(leftovers, stalled_before, now)
        })
    }

    /// A driver that answers nonsense, though no single answer is against the contract. True where it was replaced for
    /// that, so that it is worth asking again.
    pub fn distrust(&self, operation: &'static str, reason: &str) -> bool {
        self.mark_dirty();
        self.note_failure(&self.in_use(), operation, FailureCost::Single, reason)
    }

    /// Whether the driver came with the host, and is believed what nobody can check.
    pub fn is_trusted(&self) -> bool {
        read(&self.in_use).driver.is_built_in()
    }

    /// Why the driver is not called, in the words of an error.
    pub fn not_asked(&self, operation: &'static str, reason: &str) -> Error {
        let driver = self.in_use().driver.name().to_owned();
        Error::Metadata { operation, driver, reason: reason.to_owned() }
    }

    /// When a call that starts now must be over.
    pub fn end_of_call(&self) -> Instant {
        self.in_use().driver.end_of_call()
    }

    /// Whether this driver is in use still.
    pub fn is_served_by(&self, driver: &Arc<InUse>) -> bool {
        Arc::ptr_eq(&read(&self.in_use), driver)
    }

    /// The driver of the moment.
    pub fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&read(&self.in_use))
    }
}

impl fmt::Debug for MetadataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("driver", &self.status()).finish_non_exhaustive()
    }
}

fn is_last_resort(driver: &str) -> bool {
    driver.eq_ignore_ascii_case(LAST_RESORT)
}

fn fall_back(config: &Config, directory: &Arc<Directory>, reason: String) -> Result<InUse> {
    let configured = config.driver.clone();
    if is_last_resort(&configured) {
        return Err(Error::NoDriver { configured, reason, fallback_reason: String::new() });
    }
    tracing::warn!(
        driver = configured,
        %reason,
        "the configured driver cannot be used; sqlite takes its place"
    );
    match Driver::load_fallback(config, Arc::clone(directory)) {
        Ok(driver) => Ok(InUse { driver, fallback: Some(Fallback { configured, reason }) }),
        Err(error) => {
            Err(Error::NoDriver { configured, reason, fallback_reason: error.to_string() })
        }
    }
}
