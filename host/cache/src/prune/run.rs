//! One run of evictions in the driver's order.

use crate::cache::CacheInner;
use crate::delete::{IMAGES_PER_LOCK, NotRemoved, RemovedImage, remove_batch};
use crate::error::{Error, Result};
use crate::metadata::{Backoff, DriverBudget, MetadataStore};
use image_cache_model::{CacheSize, Eviction, ImageId, Victim};
use image_cache_store::{DeferredClose, Directory};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Victims that a driver is asked for at once; one that came with the host names more in a call. A driver that must look at
/// every image for them then looks seldom: the more there are to go, the less each of them costs.
const VICTIMS: u32 = 10_000;
const VICTIMS_OF_BUILT_IN: u32 = 50_000;

/// Rounds in which the driver leads us in circles before we give up. One that is not sqlite is replaced before that.
const MAX_FAILED_ROUNDS: u32 = 8;

/// So often records that could not be brought into sync are tried again before the run gives up.
const RECONCILE_ATTEMPTS: u32 = 3;

/// Victims that may turn out not to be cached before the round counts as failed: another process may have removed some.
const MAX_ORPHAN_RECORDS: usize = 10_000;

/// What [`ImageCache::prune`](crate::ImageCache::prune) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many images were evicted.
    pub images: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// Images that the driver named but that could not be evicted, being read for instance.
    pub kept: Vec<NotRemoved>,
}

/// How much has to go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Excess {
    Bytes(u64),
    /// So many images, whatever their size.
    Images(u64),
}

/// One prune, or the making of room for one image: what has gone so far, and what stays. A run that is dropped has evicted
/// what it says, and owes nothing.
pub(super) struct PruneRun<'a, 's> {
    pub inner: &'a CacheInner,
    space: &'a mut DeferredClose<'s>,
    /// The driver's time for all of it.
    pub budget: DriverBudget,
    /// Whether it was said that more victims were named than had to go.
    is_surplus_logged: bool,
    pub pruned: Pruned,
    /// What is cached, as far as we know.
    pub cached: CacheSize,
    /// Whether others removed images meanwhile, so that it is to be counted anew.
    is_stale: bool,
    /// Images not to be named again, with the reason if they are still there.
    pub excluded: BTreeMap<ImageId, Option<String>>,
    /// How many of those were not cached at all.
    orphans: usize,
    failed_rounds: u32,
    failed_repairs: u32,
    /// Why the run gave up, though there is more to evict.
    gave_up: Option<&'static str>,
    /// What was cached after the last of those.
    failed_at: Option<CacheSize>,
}

impl<'a, 's> PruneRun<'a, 's> {
    pub fn start(inner: &'a CacheInner, space: &'a mut DeferredClose<'s>) -> Result<Self> {
        inner.flush();
        inner.reconcile_if_changed();
        // What the driver does not know it cannot name: a file that came meanwhile would cost all others.
        let snapshot = inner.snapshot_directory()?;
        let cached = snapshot.size;
        if !inner.metadata.sync.matches_last_reconcile(snapshot)
            && inner.read_metadata(MetadataStore::cache_size)? != cached
        {
            inner.metadata.sync.mark_dirty();
            inner.reconcile();
        }
        Ok(PruneRun {
            inner,
            space,
            budget: DriverBudget::of(cached.images),
            is_surplus_logged: false,
            pruned: Pruned::default(),
            cached,
            is_stale: false,
            excluded: BTreeMap::new(),
            orphans: 0,
            failed_rounds: 0,
            failed_repairs: 0,
            gave_up: None,
            failed_at: None,
        })
    }

    /// What was evicted, and what could not be.
    pub fn finish(self) -> Pruned {
        let kept = self.excluded.into_iter();
        let kept =
            kept.filter_map(|(image_id, reason)| Some(NotRemoved { image_id, reason: reason? }));
        Pruned { kept: kept.collect(), ..self.pruned }
    }

    /// What is cached. Looking at every image takes long: what we evicted ourselves we know.
    pub fn cached(&mut self) -> Result<CacheSize> {
        if std::mem::take(&mut self.is_stale) {
            self.cached = self.inner.cache_size()?;
        }
        Ok(self.cached)
    }

    /// Evicts until so much has gone, or nothing can go; how much went.
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

    /// Asks for victims and evicts them, until so much has gone; false if it is of no use to go on.
    pub fn evict_excess(&mut self, excess: Excess) -> Result<bool> {
        let (bytes_needed, most) = match excess {
            Excess::Bytes(bytes) => (bytes, u32::MAX),
            Excess::Images(images) => (u64::MAX, u32::try_from(images).unwrap_or(u32::MAX)),
        };
        let exclude: Vec<ImageId> = self.excluded.keys().cloned().collect();
        let victims = self.select_victims(bytes_needed, &exclude, most)?;
        if victims.is_empty() {
            return self.handle_no_victims();
        }
        self.note_surplus(&victims, bytes_needed);
        let ids: Vec<ImageId> = victims.into_iter().map(|victim| victim.image_id).collect();
        self.evict(&ids, bytes_needed)
    }

    /// Whom the driver names, the first to go first; so many at most.
    pub fn select_victims(
        &self,
        bytes_needed: u64,
        exclude: &[ImageId],
        most: u32,
    ) -> Result<Vec<Victim>> {
        let is_built_in = self.inner.metadata.is_built_in();
        let limit = if is_built_in { VICTIMS_OF_BUILT_IN } else { VICTIMS }.min(most);
        let request = Eviction { now: SystemTime::now(), bytes_needed, exclude, limit };
        self.inner.read_metadata(|metadata| metadata.select_victims(&request, &self.budget))
    }

    /// Evicts these until `enough` bytes have gone; false if it is of no use to go on.
    pub fn evict(&mut self, ids: &[ImageId], enough: u64) -> Result<bool> {
        let (mut freed, before) = (0u64, self.pruned.images + self.kept());
        let mut rest = ids;
        while !rest.is_empty() && freed < enough {
            let batch = &rest[..rest.len().min(IMAGES_PER_LOCK)];
            let within = (&mut *self.space, &self.budget);
            let images =
                remove_batch(self.inner, batch, enough - freed, within, &Directory::evict)?;
            rest = &rest[images.len()..];
            freed = freed.saturating_add(self.note_removed(images));
        }
        let is_further = self.pruned.images + self.kept() > before;
        if is_further && self.orphans <= MAX_ORPHAN_RECORDS {
            return Ok(true);
        }
        self.note_failed_round("it names victims that are not cached")
    }

    /// Counts the victims that were named although those before them suffice: they stay.
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
                "the driver named more victims than have to go: the surplus stays; see `image-cache driver check`"
            );
        }
    }

    /// The driver names no victim though an image has to go: right if no image is left that can.
    fn handle_no_victims(&mut self) -> Result<bool> {
        self.is_stale = true;
        if self.cached()?.images <= self.kept() {
            self.gave_up = None;
            return Ok(false);
        }
        self.note_failed_round("it names no victim, though the cache is larger than it may be")
    }

    /// A round that led nowhere; whether to go on. That speaks against the driver only if the directory stood still:
    /// another process may have removed what it named, or added what it could not know.
    fn note_failed_round(&mut self, reason: &'static str) -> Result<bool> {
        self.excluded.retain(|_, reason| reason.is_some());
        self.orphans = 0;
        self.failed_rounds += 1;
        let cached = self.cached()?;
        let stood_still = self.failed_at.replace(cached) == Some(cached);
        if stood_still && self.inner.metadata.distrust("name victims", reason) {
            self.failed_rounds = 0;
        }
        self.repair_records()?;
        self.gave_up = (self.failed_rounds >= MAX_FAILED_ROUNDS).then_some(reason);
        Ok(self.gave_up.is_none())
    }

    /// A driver that just took the place of another one names only images whose records it has. If these could not be
    /// written, the next attempt is usually put off; a run that would wait for it would end above the maximum.
    fn repair_records(&mut self) -> Result<()> {
        let metadata = &self.inner.metadata;
        if !metadata.is_built_in() {
            return Ok(());
        }
        let Err(error) = self.inner.try_reconcile(Backoff::Ignored) else { return Ok(()) };
        tracing::warn!(%error, "records and directory differ; it is tried again");
        self.failed_repairs += 1;
        if self.failed_repairs < RECONCILE_ATTEMPTS { Ok(()) } else { Err(error) }
    }

    /// The error of a run that gave up although there is more to evict.
    pub fn gave_up(&mut self) -> Result<Option<Error>> {
        let Some(reason) = self.gave_up else { return Ok(None) };
        let CacheSize { images, bytes } = self.cached()?;
        let reason = format!("{images} images of {bytes} bytes are still cached: {reason}");
        Ok(Some(self.inner.metadata.in_use().error("prune to the maximum", reason)))
    }

    /// Images that were named and are still there.
    pub fn kept(&self) -> u64 {
        (self.excluded.len() - self.orphans) as u64
    }

    /// Takes down what became of some images; how many bytes went.
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
                    let reason = kept.err().map(|error| error.to_string());
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
