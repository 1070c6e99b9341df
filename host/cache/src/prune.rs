//! Evicting images in the driver's order until the cache is small enough.

mod policy;
mod run;

pub use run::Pruned;

use crate::cache::CacheInner;
use crate::error::Result;
use crate::metadata::Budget;
use image_cache_store::DeferredClose;
use run::PruneRun;

pub(crate) fn prune(inner: &CacheInner) -> Result<Pruned> {
    DeferredClose::all(|space| prune_giving(inner, space))
}

fn prune_giving(inner: &CacheInner, space: &mut DeferredClose<'_>) -> Result<Pruned> {
    let mut run = PruneRun::start(inner, space)?;
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
    Ok(run.finish())
}

/// Evicts in the driver's order until so many bytes have gone, or nothing can go; how many went. The time that the driver has
/// for it is that of all rounds in which room is made for one image.
pub(crate) fn evict_bytes(
    inner: &CacheInner,
    bytes: u64,
    budget: &mut Option<Budget>,
) -> Result<u64> {
    DeferredClose::all(|space| {
        let mut run = PruneRun::start(inner, space)?;
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
    DeferredClose::all(|space| {
        let mut run = PruneRun::start(inner, space)?;
        while run.pruned.images < images && run.round_of(images - run.pruned.images)? {}
        Ok(run.pruned.images)
    })
}
