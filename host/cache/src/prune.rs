//! Evicting images in the driver's order until the cache is small enough.

mod policy;

use crate::cache::{CacheInner, Kept};
use crate::delete::{BATCH, Removal, Removed, remove_batch};
use crate::error::Result;
use crate::metadata::{Budget, MetadataStore};
use image_cache_model::{CacheSize, Eviction, ImageId, Victim};
use image_cache_store::DeferredClose;
use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

/// Victims that a driver is asked for at once; one that came with the host names more in a call. A driver that must look at
/// every image for them then looks seldom: the more there are to go, the less each of them costs.
const VICTIMS: u32 = 10_000;
const VICTIMS_OF_BUILT_IN: u32 = 50_000;

/// Rounds in which the driver leads us in circles before we give up. One that is not sqlite is replaced before that.
const VAIN_ROUNDS: u32 = 8;

/// Victims that may turn out not to be cached before that is a vain round: another process may have removed some.
const MAX_ORPHAN_RECORDS: usize = 10_000;

/// What [`ImageCache::prune`](crate::ImageCache::prune) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many images were evicted.
    pub images: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// Images that the driver named but that could not be evicted, being read for instance.
    pub kept: Vec<Kept>,
}

pub(crate) fn prune(inner: &CacheInner) -> Result<Pruned> {
    DeferredClose::scope(|space| prune_giving(inner, space))
}

fn prune_giving(inner: &CacheInner, space: &mut DeferredClose<'_>) -> Result<Pruned> {
    let mut run = Run::start(inner, space)?;
    let max_size = inner.config.max_size;
    // First what the policy wants gone whatever the size, then what the size demands.
    if max_size > 0 {
        policy::evict_by_policy(&mut run)?;
    }
    loop {
        let cached = run.cached()?;
        let excess = cached.bytes.saturating_sub(max_size);
        // A limit of 0 empties the cache, of empty images too.
        let needed = if max_size == 0 && cached.images > 0 { u64::MAX } else { excess };
        if needed == 0 || !run.round(needed, needed)? {
            break;
        }
    }
    loop {
        let most = inner.config.max_images.unwrap_or(u64::MAX);
        let excess = run.cached()?.images.saturating_sub(most);
        if excess == 0 || !run.round_of(excess)? {
            break;
        }
    }
    run.pruned.kept = run
        .passed_over
        .into_iter()
        .filter_map(|(image_id, reason)| Some(Kept { image_id, reason: reason? }))
        .collect();
    Ok(run.pruned)
}

/// Evicts in the driver's order until so many bytes have gone, or nothing can go; how many went. The time that the driver has
/// for it is that of all rounds in which room is made for one image.
pub(crate) fn evict_bytes(
    inner: &CacheInner,
    bytes: u64,
    budget: &mut Option<Budget>,
) -> Result<u64> {
    DeferredClose::scope(|space| {
        let mut run = Run::start(inner, space)?;
        if let Some(budget) = budget.take() {
            run.budget = budget;
        }
        let freed = run.free(bytes);
        *budget = Some(run.budget);
        freed
    })
}

/// Evicts so many images in the driver's order, or fewer where no more can go; how many went.
pub(crate) fn evict_images(inner: &CacheInner, images: u64) -> Result<u64> {
    DeferredClose::scope(|space| {
        let mut run = Run::start(inner, space)?;
        while run.pruned.images < images && run.round_of(images - run.pruned.images)? {}
        Ok(run.pruned.images)
    })
}

struct Run<'a, 's> {
    inner: &'a CacheInner,
    space: &'a mut DeferredClose<'s>,
    /// The driver's time for all of it.
    budget: Budget,
    /// Whether it was said that more victims were named than had to go.
    told_surplus: bool,
    pruned: Pruned,
    /// What is cached, as far as we know.
    cached: CacheSize,
    /// Whether others removed images meanwhile, so that it is to be counted anew.
    is_doubtful: bool,
    /// Images not to be named again, with the reason where they are still there.
    passed_over: BTreeMap<ImageId, Option<String>>,
    /// How many of those were not cached at all.
    orphans: usize,
    vain: u32,
    /// What was cached after the last of those.
    vain_at: Option<CacheSize>,
}

impl<'a, 's> Run<'a, 's> {
    fn start(inner: &'a CacheInner, space: &'a mut DeferredClose<'s>) -> Result<Self> {
        inner.flush();
        inner.take_note_of_changes();
        // What the driver does not know it cannot name: a file that came meanwhile would cost all others.
        let held = inner.held()?;
        let cached = held.size;
        if !inner.metadata.matches_last_reconcile(held)
            && inner.read_metadata(MetadataStore::cache_size)? != cached
        {
            inner.metadata.mark_dirty();
            inner.reconcile();
        }
        Ok(Run {
            inner,
            space,
            budget: Budget::of(cached.images),
            told_surplus: false,
            pruned: Pruned::default(),
            cached,
            is_doubtful: false,
            passed_over: BTreeMap::new(),
            orphans: 0,
            vain: 0,
            vain_at: None,
        })
    }

    /// What is cached. Looking at every image takes long: what we evicted ourselves we know.
    fn cached(&mut self) -> Result<CacheSize> {
        if std::mem::take(&mut self.is_doubtful) {
            self.cached = self.inner.cache_size()?;
        }
        Ok(self.cached)
    }

    /// Evicts until so many bytes have gone, or nothing can go; how many went.
    fn free(&mut self, bytes: u64) -> Result<u64> {
        while self.pruned.bytes < bytes {
            let needed = bytes - self.pruned.bytes;
            if !self.round(needed, needed)? {
                break;
            }
        }
        Ok(self.pruned.bytes)
    }

    /// Asks for victims and evicts them until `enough` bytes have gone; false where it is no use to go on.
    fn round(&mut self, bytes_needed: u64, enough: u64) -> Result<bool> {
        self.round_within(bytes_needed, enough, u32::MAX)
    }

    /// Asks for so many victims, whatever their size, and evicts them.
    fn round_of(&mut self, images: u64) -> Result<bool> {
        self.round_within(u64::MAX, u64::MAX, u32::try_from(images).unwrap_or(u32::MAX))
    }

    fn round_within(&mut self, bytes_needed: u64, enough: u64, most: u32) -> Result<bool> {
        let exclude: Vec<ImageId> = self.passed_over.keys().cloned().collect();
        let victims = self.ask(bytes_needed, &exclude, most)?;
        if victims.is_empty() {
            return self.none_named();
        }
        self.note_surplus(&victims, bytes_needed);
        let ids: Vec<ImageId> = victims.into_iter().map(|victim| victim.image_id).collect();
        self.evict(&ids, enough)
    }

    /// Whom the driver names, the first to go first; so many at most.
    fn ask(&self, bytes_needed: u64, exclude: &[ImageId], most: u32) -> Result<Vec<Victim>> {
        let is_built_in = self.inner.metadata.is_trusted();
        let limit = if is_built_in { VICTIMS_OF_BUILT_IN } else { VICTIMS }.min(most);
        let request = Eviction { now: SystemTime::now(), bytes_needed, exclude, limit };
        self.inner.read_metadata(|metadata| metadata.select_victims(&request, &self.budget))
    }

    /// Evicts these until `enough` bytes have gone; false where it is no use to go on.
    fn evict(&mut self, ids: &[ImageId], enough: u64) -> Result<bool> {
        let (mut freed, seen) = (0u64, self.pruned.images + self.kept());
        let mut rest = ids;
        while !rest.is_empty() && freed < enough {
            let batch = &rest[..rest.len().min(BATCH)];
            let within = (&mut *self.space, &self.budget);
            let images = remove_batch(self.inner, batch, enough - freed, within, evict)?;
            rest = &rest[images.len()..];
            freed = freed.saturating_add(self.note(images));
        }
        let is_further = self.pruned.images + self.kept() > seen;
        if is_further && self.orphans <= MAX_ORPHAN_RECORDS {
            return Ok(true);
        }
        self.in_vain("it names victims that are not cached")
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
        self.inner.metrics.victims_not_needed.add(surplus as u64);
        if !std::mem::replace(&mut self.told_surplus, true) {
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

    /// The driver names nobody though somebody has to go: right where nobody is left who can.
    fn none_named(&mut self) -> Result<bool> {
        self.is_doubtful = true;
        if self.cached()?.images <= self.kept() {
            return Ok(false);
        }
        self.in_vain("it names no victim, though the cache is larger than it may be")
    }

    /// A round that led nowhere; whether to go on. That speaks against the driver only where the directory stood still:
    /// another process may have removed what it named, or brought what it could not know.
    fn in_vain(&mut self, reason: &str) -> Result<bool> {
        self.passed_over.retain(|_, reason| reason.is_some());
        self.orphans = 0;
        self.vain += 1;
        let cached = self.cached()?;
        let stood_still = self.vain_at.replace(cached) == Some(cached);
        if stood_still && self.inner.metadata.distrust("name victims", reason) {
            self.vain = 0;
        }
        Ok(self.vain < VAIN_ROUNDS)
    }

    /// Images that were named and are still there.
    fn kept(&self) -> u64 {
        (self.passed_over.len() - self.orphans) as u64
    }

    /// Takes down what became of some images; how many bytes went.
    fn note(&mut self, images: Vec<Removed>) -> u64 {
        let mut freed = 0;
        for image in images {
            match image.size {
                Some(size) => {
                    self.pruned.images += 1;
                    self.inner.metrics.evictions.inc();
                    self.inner.metrics.bytes_evicted.add(size);
                    freed += size;
                    self.cached.images = self.cached.images.saturating_sub(1);
                }
                None => {
                    self.orphans += usize::from(image.kept.is_none());
                    self.is_doubtful |= image.kept.is_none();
                    let reason = image.kept.map(|error| error.to_string());
                    self.passed_over.insert(image.image_id, reason);
                }
            }
        }
        self.pruned.bytes += freed;
        self.cached.bytes = self.cached.bytes.saturating_sub(freed);
        freed
    }
}

fn evict(inner: &CacheInner, id: &ImageId) -> Removal {
    match inner.directory.evict(id) {
        Ok(image_cache_store::EvictResult::Evicted(file)) => Ok(Some(file)),
        Ok(image_cache_store::EvictResult::Gone) => Ok(None),
        Ok(image_cache_store::EvictResult::BeingRead) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is being read"))
        }
        Err(error) => Err(error),
    }
}
