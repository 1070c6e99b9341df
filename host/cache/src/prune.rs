//! Evicts images in the driver's order until the cache is within its limits.

mod plan;
mod policy;
mod run;

pub use plan::{EvictionCause, PlannedEviction};
pub(crate) use plan::{eviction_order, plan};
pub(crate) use run::Excess;
pub use run::Pruned;

use crate::cache::CacheInner;
use crate::error::Result;
use crate::metadata::DriverBudget;
use image_cache_model::CacheSize;
use image_cache_store::DeferredClose;
use run::PruneRun;

pub(crate) fn prune(inner: &CacheInner) -> Result<Pruned> {
    let _span = tracing::debug_span!("prune").entered();
    DeferredClose::scope(|space| prune_with(inner, space))
}

fn prune_with(inner: &CacheInner, space: &mut DeferredClose<'_>) -> Result<Pruned> {
    let mut run = PruneRun::start(inner, space)?;
    // First the victims of the driver's own policy, then those of the limits.
    if inner.config().max_size > 0 {
        policy::evict_by_policy(&mut run)?;
    }
    while let Some(excess) = excess(inner, run.cached()?) {
        if !run.evict_excess(excess)? {
            // Only images that are being read or pinned may keep the cache above its limits.
            return run.gave_up()?.map_or_else(|| Ok(run.finish()), Err);
        }
    }
    Ok(run.finish())
}

/// How far the cache exceeds its limits: bytes first.
fn excess(inner: &CacheInner, cached: CacheSize) -> Option<Excess> {
    let config = inner.config();
    let (max_size, max_images) = (config.max_size, config.max_images);
    // A limit of 0 also removes empty images.
    if max_size == 0 && cached.images > 0 {
        return Some(Excess::Bytes(u64::MAX));
    }
    let images = cached.images.saturating_sub(max_images.unwrap_or(u64::MAX));
    match cached.bytes.saturating_sub(max_size) {
        0 => (images > 0).then_some(Excess::Images(images)),
        bytes => Some(Excess::Bytes(bytes)),
    }
}

/// Evicts in the driver's order until `excess` is evicted or no image can be; returns the evicted amount. All rounds that make
/// room for one image share the driver's `budget`.
pub(crate) fn make_room(
    inner: &CacheInner,
    excess: Excess,
    budget: &mut Option<DriverBudget>,
) -> Result<u64> {
    DeferredClose::scope(|space| {
        let mut run = PruneRun::start(inner, space)?;
        if let Some(budget) = budget.take() {
            run.budget = budget;
        }
        let gone = run.free(excess);
        *budget = Some(run.budget);
        gone
    })
}

#[cfg(test)]
mod tests {
    use crate::metadata::Backoff;
    use crate::{Config, Error, ImageCache};

    #[test]
    fn a_prune_reaches_the_maximum_although_the_records_could_not_be_reconciled_just_now() {
        let place = tempfile::tempdir().expect("a directory");
        let config = Config::builder(place.path()).max_size(5).build().expect("it is valid");
        let cache = ImageCache::open(config).expect("it opens");
        for n in 0..30 {
            let path = place.path().join(format!("image-{n}"));
            std::fs::write(path, b"image").expect("it can be written");
        }
        let metadata = &cache.inner().expect("it is open").metadata;
        metadata.sync.mark_dirty();
        // The next attempt is delayed by a second.
        let failed = metadata.reconcile_if_dirty(Backoff::Ignored, || {
            Err(Error::InUse { path: place.path().into() })
        });
        assert!(failed.is_err() && !metadata.sync.is_in_sync());
        assert_eq!(cache.prune().expect("the records can be written now").images, 29);
        assert_eq!(cache.cache_size().expect("it is counted").bytes, 5);
    }
}
