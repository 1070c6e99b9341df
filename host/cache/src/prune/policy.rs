//! Evicts the victims of the driver's own policy, for example of an age limit, within bounds.
//!
//! The cache does not need the room, so a driver that names too many victims must be limited: a broken or hostile driver would
//! empty the cache at each prune. So images that were recently published or read stay, and at least half of the cache stays.

use super::run::PruneRun;
use crate::error::Result;
use image_cache_model::{CacheSize, ImageId};
use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

/// The number of victims that may stay and be excluded from the next call; with more, the driver is not asked again.
const SPARED: usize = 10_000;

/// Calls for a plan, at most: a driver that names its victims one by one is not asked for all of them.
const PLANNING_ROUNDS: usize = 1000;

/// The bounds of the policy, and its victims that stay.
struct Policy {
    /// Images that were published or read after this time stay.
    since: SystemTime,
    read_here: HashSet<ImageId>,
    /// How much may still be evicted; `None` without a bound.
    rest: Option<CacheSize>,
    too_young: BTreeSet<ImageId>,
    beyond_half: u64,
}

/// Asks the driver for victims of its own policy until it names none, and evicts those that the bounds allow.
pub(super) fn evict_by_policy(run: &mut PruneRun<'_, '_>) -> Result<()> {
    let mut policy = Policy::new(run)?;
    while policy.beyond_half == 0 && policy.too_young.len() <= SPARED {
        let exclude = policy.too_young.iter().chain(run.excluded.keys());
        let victims = run.select_victims(0, exclude, u32::MAX)?;
        let mut go = Vec::with_capacity(victims.len());
        let is_last = victims.is_empty();
        for victim in victims {
            if policy.take_victim(run, &victim.image_id)? {
                go.push(victim.image_id);
            }
        }
        if is_last || (!go.is_empty() && !run.evict(&go, u64::MAX)?) {
            break;
        }
    }
    policy.log_kept(run);
    Ok(())
}

/// The images that [`evict_by_policy`] would evict, without evicting them.
pub(super) fn planned(run: &mut PruneRun<'_, '_>) -> Result<Vec<ImageId>> {
    let mut policy = Policy::new(run)?;
    let mut planned = Vec::new();
    // A driver may name images that do not exist, without end.
    let most = usize::try_from(run.cached.images).unwrap_or(usize::MAX).saturating_add(SPARED);
    for _ in 0..PLANNING_ROUNDS {
        if policy.beyond_half > 0 || policy.too_young.len() > SPARED || planned.len() > most {
            break;
        }
        let exclude = policy.too_young.iter().chain(&planned);
        let victims = run.select_victims(0, exclude, u32::MAX)?;
        if victims.is_empty() {
            break;
        }
        for victim in victims {
            if policy.take_victim(run, &victim.image_id)? {
                planned.push(victim.image_id);
            }
        }
    }
    Ok(planned)
}

impl Policy {
    fn new(run: &mut PruneRun<'_, '_>) -> Result<Policy> {
        let (config, cached) = (run.inner.config(), run.cached);
        let half = CacheSize { images: cached.images / 2, bytes: cached.bytes / 2 };
        let since = SystemTime::now().checked_sub(config.policy_min_age);
        Ok(Policy {
            since: since.unwrap_or(SystemTime::UNIX_EPOCH),
            read_here: run.inner.hits.recently_read(),
            rest: (!config.policy_may_empty).then_some(half),
            too_young: BTreeSet::new(),
            beyond_half: 0,
        })
    }

    /// Whether to evict this victim; counts it. True for an image that is not cached: the eviction detects that.
    fn take_victim(&mut self, run: &PruneRun<'_, '_>, id: &ImageId) -> Result<bool> {
        let inner = run.inner;
        let file = inner.directory.cached_file(id).map_err(crate::Error::image("examine", id))?;
        let Some(file) = file else { return Ok(true) };
        if self.beyond_half > 0 || self.rest.is_some_and(|rest| !has_room(rest, file.size)) {
            self.beyond_half += 1;
            return Ok(false);
        }
        if file.modified > self.since || self.was_read(run, id)? {
            self.too_young.insert(id.clone());
            return Ok(false);
        }
        if let Some(rest) = &mut self.rest {
            (rest.images, rest.bytes) = (rest.images - 1, rest.bytes - file.size);
        }
        Ok(true)
    }

    /// Whether it was read recently, in this process or, according to its record, in another.
    fn was_read(&self, run: &PruneRun<'_, '_>, id: &ImageId) -> Result<bool> {
        if run.inner.config().policy_min_age.is_zero() {
            return Ok(false);
        }
        if self.read_here.contains(id) {
            return Ok(true);
        }
        let record = run.inner.read_metadata(|metadata| metadata.cached_image(id, &run.budget))?;
        Ok(record.is_some_and(|record| record.last_accessed > self.since))
    }

    /// Logs how many victims stayed, and the option that decides that.
    fn log_kept(&self, run: &PruneRun<'_, '_>) {
        let (driver, too_young) = (run.inner.metadata.status().name, self.too_young.len() as u64);
        let mut counters = run.inner.metrics.counters();
        counters.victims_too_young += too_young;
        counters.victims_beyond_half += self.beyond_half;
        drop(counters);
        if too_young > 0 {
            let min_age = run.inner.config().policy_min_age;
            tracing::warn!(
                driver,
                images = too_young,
                ?min_age,
                "the driver's own policy names images that were recently published or read: they stay; see image_cache_policy_min_age"
            );
        }
        if self.beyond_half > 0 {
            tracing::warn!(
                driver,
                images = self.beyond_half,
                "the driver's own policy names more than half of the cache: the rest stays for now; if this is intended, set image_cache_policy_may_empty"
            );
        }
    }
}

fn has_room(rest: CacheSize, size: u64) -> bool {
    rest.images > 0 && rest.bytes >= size
}
