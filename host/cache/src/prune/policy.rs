//! What the driver wants gone whatever the size, by an age limit for instance, and how far it gets its way.
//!
//! Nobody needs the room, so that nothing speaks for a driver that names too much: one that is broken, or hostile, would empty
//! the cache, and that again at each prune. So what was published or read a moment ago stays, and half of the cache does.

use super::run::PruneRun;
use crate::error::Result;
use image_cache_model::{CacheSize, ImageId};
use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

/// How many victims that stay are excluded from the next question before no more is asked.
const SPARED: usize = 10_000;

/// What may go, and what stays.
struct Policy {
    /// What was published or read since then stays.
    since: SystemTime,
    read_here: HashSet<ImageId>,
    /// How much may go yet; nothing where all may.
    rest: Option<CacheSize>,
    too_young: BTreeSet<ImageId>,
    beyond_half: u64,
}

/// Asks the driver what it wants gone anyway until it names nobody, and evicts what may go.
pub(super) fn evict_by_policy(run: &mut PruneRun<'_, '_>) -> Result<()> {
    let mut policy = Policy::new(run)?;
    while policy.beyond_half == 0 && policy.too_young.len() <= SPARED {
        let spared = policy.too_young.iter().chain(run.excluded.keys()).cloned();
        let exclude: Vec<ImageId> = spared.collect();
        let victims = run.select_victims(0, &exclude, u32::MAX)?;
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

impl Policy {
    fn new(run: &mut PruneRun<'_, '_>) -> Result<Policy> {
        let (config, cached) = (&run.inner.config, run.cached);
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

    /// Whether this victim goes, which is then counted. Of one that is not there, evicting it finds that out.
    fn take_victim(&mut self, run: &PruneRun<'_, '_>, id: &ImageId) -> Result<bool> {
        let inner = run.inner;
        let file = inner.directory.cached_file(id).map_err(crate::Error::image("look at", id))?;
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

    /// Whether it was read lately: here, or by the record in another process.
    fn was_read(&self, run: &PruneRun<'_, '_>, id: &ImageId) -> Result<bool> {
        if run.inner.config.policy_min_age.is_zero() {
            return Ok(false);
        }
        if self.read_here.contains(id) {
            return Ok(true);
        }
        let record = run.inner.read_metadata(|metadata| metadata.cached_image(id, &run.budget))?;
        Ok(record.is_some_and(|record| record.last_accessed > self.since))
    }

    /// Says what stayed, and which option would have let it go.
    fn log_kept(&self, run: &PruneRun<'_, '_>) {
        let (driver, too_young) = (run.inner.metadata.status().name, self.too_young.len() as u64);
        let mut counters = run.inner.metrics.counters();
        counters.victims_too_young += too_young;
        counters.victims_beyond_half += self.beyond_half;
        drop(counters);
        if too_young > 0 {
            let min_age = run.inner.config.policy_min_age;
            tracing::warn!(
                driver,
                images = too_young,
                ?min_age,
                "the driver's own policy names images that were published or read lately: they stay; see image_cache_policy_min_age"
            );
        }
        if self.beyond_half > 0 {
            tracing::warn!(
                driver,
                images = self.beyond_half,
                "the driver's own policy names more than half of the cache: the rest stays for now; if that is meant, set image_cache_policy_may_empty"
            );
        }
    }
}

fn has_room(rest: CacheSize, size: u64) -> bool {
    rest.images > 0 && rest.bytes >= size
}
