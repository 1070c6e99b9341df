//! One run of evictions in the driver's order.

use crate::cache::CacheInner;
use crate::delete::{IMAGES_PER_LOCK, NotRemoved, Remove, RemovedImage, remove_batch};
use crate::error::{DriverFailure, Error, Result};
use crate::metadata::{Backoff, DriverBudget, MetadataStore};
use image_cache_model::{CacheSize, Eviction, ImageId, RemovalReason, Victim};
use image_cache_store::{DeferredClose, Directory, Pins, names};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Maximum number of victims per call; built-in drivers name more. A driver that must read all its records to select victims then
/// does so rarely.
const VICTIMS: u32 = 10_000;
const VICTIMS_OF_BUILT_IN: u32 = 50_000;

/// Rounds without progress before the run gives up. A driver other than sqlite is replaced earlier.
const MAX_FAILED_ROUNDS: u32 = 8;

/// Failed attempts to reconcile the records before the run gives up.
const RECONCILE_ATTEMPTS: u32 = 3;

/// Victims that may not be cached before the round counts as failed: another process may have removed some.
const MAX_ORPHAN_RECORDS: usize = 10_000;

/// A warning about the same pins is repeated after this time.
const PINS_WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// The result of [`ImageCache::prune`](crate::ImageCache::prune).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// Number of evicted images.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Images that the driver named but that could not be evicted, for example because they are being read.
    pub kept: Vec<NotRemoved>,
}

/// How much must be evicted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Excess {
    Bytes(u64),
    /// Number of images of any size.
    Images(u64),
}

/// One prune, or making room for one image: the images evicted so far, and those that stay. A drop has no effect.
pub(super) struct PruneRun<'a, 's> {
    pub inner: &'a CacheInner,
    space: &'a mut DeferredClose<'s>,
    /// The driver's time for the whole run.
    pub budget: DriverBudget,
    /// Whether a surplus of victims was logged.
    is_surplus_logged: bool,
    pub pruned: Pruned,
    /// The known size of the cache.
    pub cached: CacheSize,
    /// Whether other processes changed the cache, so that its size must be counted again.
    is_stale: bool,
    /// The pins, and the pinned images at the start of the run: all of them, and how many are cached.
    pins: Pins<'a>,
    pinned: Vec<ImageId>,
    pinned_cached: u64,
    /// Images that must not be named again, with the reason if they are still cached.
    pub excluded: BTreeMap<ImageId, Option<Arc<io::Error>>>,
    /// Number of excluded images that were not cached.
    orphans: usize,
    failed_rounds: u32,
    failed_repairs: u32,
    /// Why the run gave up although more must be evicted.
    gave_up: Option<&'static str>,
    /// The size of the cache after the last failed round.
    failed_at: Option<CacheSize>,
}

/// The pins, the pinned images, and how many of them are cached.
fn read_pins(inner: &CacheInner) -> Result<(Pins<'_>, Vec<ImageId>, u64)> {
    let pins = inner.in_directory("open", names::PINS, inner.directory.pins())?;
    let pinned = inner.in_directory("read", names::PINS, pins.list(None, usize::MAX))?;
    let pinned: Vec<ImageId> = pinned.into_iter().map(|image| image.image_id).collect();
    let mut cached = 0;
    for id in &pinned {
        let file = inner.directory.cached_file(id).map_err(Error::image("examine", id))?;
        cached += u64::from(file.is_some());
    }
    Ok((pins, pinned, cached))
}

impl<'a, 's> PruneRun<'a, 's> {
    pub fn start(inner: &'a CacheInner, space: &'a mut DeferredClose<'s>) -> Result<Self> {
        inner.flush();
        inner.reconcile_if_changed();
        // A driver cannot name an image without a record: for an unknown file it would evict all others.
        let snapshot = inner.snapshot_directory()?;
        let cached = snapshot.size;
        if !inner.metadata.sync.matches_last_reconcile(snapshot)
            && inner.read_metadata(MetadataStore::cache_size)? != cached
        {
            inner.metadata.sync.mark_dirty();
            inner.reconcile();
        }
        let (pins, pinned, pinned_cached) = read_pins(inner)?;
        Ok(PruneRun {
            inner,
            space,
            budget: DriverBudget::of(cached.images),
            is_surplus_logged: false,
            pruned: Pruned::default(),
            cached,
            is_stale: false,
            pins,
            pinned,
            pinned_cached,
            excluded: BTreeMap::new(),
            orphans: 0,
            failed_rounds: 0,
            failed_repairs: 0,
            gave_up: None,
            failed_at: None,
        })
    }

    /// The evicted images, and those that could not be evicted.
    pub fn finish(self) -> Pruned {
        let kept = self.excluded.into_iter();
        let kept =
            kept.filter_map(|(image_id, reason)| Some(NotRemoved { image_id, reason: reason? }));
        Pruned { kept: kept.collect(), ..self.pruned }
    }

    /// The size of the cache. Counting takes long, so the run subtracts the images that it evicts.
    pub fn cached(&mut self) -> Result<CacheSize> {
        if std::mem::take(&mut self.is_stale) {
            self.cached = self.inner.cache_size()?;
        }
        Ok(self.cached)
    }

    /// Evicts until `excess` is evicted or no image can be; returns the evicted amount.
    pub fn free(&mut self, excess: Excess) -> Result<u64> {
        match excess {
            Excess::Bytes(bytes) => {
                let rest = |pruned: &Pruned| Excess::Bytes(bytes - pruned.bytes);
                while self.pruned.bytes < bytes && self.evict_excess(rest(&self.pruned))? {}
                Ok(self.pruned.bytes)
            }
            Excess::Images(images) => {
                let rest = |pruned: &Pruned| Excess::Images(images - pruned.images);
                while self.pruned.images < images && self.evict_excess(rest(&self.pruned))? {}
                Ok(self.pruned.images)
            }
        }
    }

    /// Asks for victims once and evicts them up to `excess`; false if another round is useless.
    pub fn evict_excess(&mut self, excess: Excess) -> Result<bool> {
        let (bytes_needed, most) = match excess {
            Excess::Bytes(bytes) => (bytes, u32::MAX),
            Excess::Images(images) => (u64::MAX, u32::try_from(images).unwrap_or(u32::MAX)),
        };
        let victims = self.select_victims(bytes_needed, self.excluded.keys(), most)?;
        if victims.is_empty() {
            return self.handle_no_victims();
        }
        self.note_surplus(&victims, bytes_needed);
        let ids: Vec<ImageId> = victims.into_iter().map(|victim| victim.image_id).collect();
        self.evict(&ids, bytes_needed)
    }

    /// The victims that the driver names, in order of eviction: at most `most`, and none that is pinned or excluded.
    pub fn select_victims<'i>(
        &self,
        bytes_needed: u64,
        exclude: impl IntoIterator<Item = &'i ImageId>,
        most: u32,
    ) -> Result<Vec<Victim>> {
        let mut exclude: Vec<ImageId> = exclude.into_iter().cloned().collect();
        exclude.extend_from_slice(&self.pinned);
        exclude.sort_unstable();
        exclude.dedup();
        let is_built_in = self.inner.metadata.is_built_in();
        let limit = if is_built_in { VICTIMS_OF_BUILT_IN } else { VICTIMS }.min(most);
        let (now, cached) = (SystemTime::now(), Some(self.cached));
        let request = Eviction { now, bytes_needed, exclude: &exclude, limit, cached };
        self.inner.read_metadata(|metadata| metadata.select_victims(&request, &self.budget))
    }

    /// Evicts these images until `enough` bytes are evicted; false if another round is useless.
    pub fn evict(&mut self, ids: &[ImageId], enough: u64) -> Result<bool> {
        let (mut freed, before) = (0u64, self.pruned.images + self.kept());
        let (mut rest, driver) = (ids, self.inner.metadata.driver_name());
        while !rest.is_empty() && freed < enough {
            let batch = &rest[..rest.len().min(IMAGES_PER_LOCK)];
            let within = (&mut *self.space, &self.budget);
            // An image may have been pinned since the run began. This runs with the directory locked.
            let (pins, has_looked) = (&self.pins, Cell::new(false));
            let evict = |directory: &Directory, id: &ImageId| {
                let _span = tracing::debug_span!("evict", image = %id, driver).entered();
                if !has_looked.replace(true) {
                    pins.look()?;
                }
                match pins.protects(id)? {
                    true => Err(io::Error::other("it is pinned")),
                    false => directory.evict(id),
                }
            };
            let evict: (_, Remove<'_>) = (RemovalReason::Evicted, &evict);
            let images = remove_batch(self.inner, batch, enough - freed, within, evict)?;
            rest = &rest[images.len()..];
            freed = freed.saturating_add(self.note_removed(images));
        }
        let is_further = self.pruned.images + self.kept() > before;
        if is_further && self.orphans <= MAX_ORPHAN_RECORDS {
            return Ok(true);
        }
        self.note_failed_round("it names victims that are not cached")
    }

    /// Counts the victims that stay because those before them suffice.
    fn note_surplus(&mut self, victims: &[Victim], bytes_needed: u64) {
        let mut named = 0u64;
        let is_needed = |victim: &&Victim| {
            let suffices = named >= bytes_needed;
            named = named.saturating_add(victim.size);
            !suffices
        };
        let surplus = victims.len() - victims.iter().take_while(is_needed).count();
        if surplus == 0 {
            return;
        }
        self.inner.metrics.counters().victims_not_needed += surplus as u64;
        if !std::mem::replace(&mut self.is_surplus_logged, true) {
            let (driver, named) = (self.inner.metadata.status().name, victims.len());
            tracing::warn!(
                driver,
                bytes_needed,
                named,
                surplus,
                "the driver named more victims than needed: the surplus stays; see `image-cache driver check`"
            );
        }
    }

    /// The driver names no victim although an image must be evicted: correct only if no image can be.
    fn handle_no_victims(&mut self) -> Result<bool> {
        self.is_stale = true;
        if self.cached()?.images <= self.kept() {
            self.gave_up = None;
            let pinned = self.pinned_cached;
            let is_cause = pinned > 0 && self.excluded.len() == self.orphans;
            if is_cause && self.is_pins_warning_due() {
                tracing::warn!(
                    pinned,
                    "the cache stays larger than its limits, because images are pinned: see `image-cache pin list`"
                );
            }
            return Ok(false);
        }
        self.note_failed_round("it names no victim, although the cache exceeds its limits")
    }

    /// Whether the operator must be told of the pins: a service prunes after each fetch.
    fn is_pins_warning_due(&self) -> bool {
        let warning = &self.inner.pins_warning;
        warning.is_due(self.pinned.clone(), PINS_WARNING_INTERVAL, Instant::now())
    }

    /// Counts a round without progress; false if the run must give up. It counts against the driver only if the directory did not
    /// change: another process may have removed victims, or added images without records.
    fn note_failed_round(&mut self, why: &'static str) -> Result<bool> {
        self.excluded.retain(|_, reason| reason.is_some());
        self.orphans = 0;
        self.failed_rounds += 1;
        let cached = self.cached()?;
        let stood_still = self.failed_at.replace(cached) == Some(cached);
        let useless = DriverFailure::UselessAnswer { why };
        if stood_still && self.inner.metadata.distrust("name victims", useless) {
            self.failed_rounds = 0;
        }
        self.repair_records()?;
        self.gave_up = (self.failed_rounds >= MAX_FAILED_ROUNDS).then_some(why);
        Ok(self.gave_up.is_none())
    }

    /// A driver that just replaced another one can name only images with records. If the records could not be written, the next
    /// attempt is usually delayed, and the run would end above the limits. So this does not wait.
    fn repair_records(&mut self) -> Result<()> {
        let metadata = &self.inner.metadata;
        if !metadata.is_built_in() {
            return Ok(());
        }
        let Err(error) = self.inner.try_reconcile(Backoff::Ignored) else { return Ok(()) };
        tracing::warn!(%error, "records and directory differ; the cache reconciles them again later");
        self.failed_repairs += 1;
        if self.failed_repairs < RECONCILE_ATTEMPTS { Ok(()) } else { Err(error) }
    }

    /// The error of a run that gave up although more must be evicted.
    pub fn gave_up(&mut self) -> Result<Option<Error>> {
        let Some(why) = self.gave_up else { return Ok(None) };
        let reason = DriverFailure::NoVictims { cached: self.cached()?, why };
        Ok(Some(self.inner.metadata.in_use().error("prune to the maximum", reason)))
    }

    /// Number of images that are pinned, or that were named and are still cached.
    pub fn kept(&self) -> u64 {
        let excluded = self.excluded.len() - self.orphans;
        self.pinned_cached + excluded as u64
    }

    /// Adds the results of removals; returns the evicted bytes.
    fn note_removed(&mut self, images: Vec<RemovedImage>) -> u64 {
        let mut freed = 0;
        for (image_id, removed) in images {
            match removed {
                Ok(Some(size)) => {
                    self.pruned.images += 1;
                    let mut counters = self.inner.metrics.counters();
                    counters.evictions += 1;
                    counters.bytes_evicted += size;
                    freed += size;
                    self.cached.images = self.cached.images.saturating_sub(1);
                }
                kept => {
                    let reason = kept.err().map(Arc::new);
                    self.orphans += usize::from(reason.is_none());
                    self.is_stale |= reason.is_none();
                    self.excluded.insert(image_id, reason);
                }
            }
        }
        self.pruned.bytes += freed;
        self.cached.bytes = self.cached.bytes.saturating_sub(freed);
        freed
    }
}
