//! What a prune would evict, without evicting it.

use super::excess;
use super::policy;
use super::run::{Excess, PruneRun};
use crate::cache::CacheInner;
use crate::error::{Error, Result};
use image_cache_model::{CacheSize, ImageId, Victim};
use image_cache_store::DeferredClose;

/// Why a prune evicts an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvictionCause {
    /// The driver's own policy, although there is room: for example an age limit.
    Policy,
    /// The cache is larger than `image_cache_max_size`, and the driver named the image.
    MaxSize,
    /// The cache has more images than `image_cache_max_images`, and the driver named the image.
    MaxImages,
}

/// An image that the next prune evicts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedEviction {
    /// The image.
    pub image_id: ImageId,
    /// The size of its file in bytes.
    pub size: u64,
    /// Why it goes.
    pub cause: EvictionCause,
}

/// The evictions that the driver names now, in their order, and what is left of the cache after them.
struct Plan {
    evictions: Vec<PlannedEviction>,
    left: CacheSize,
}

pub(crate) fn plan(inner: &CacheInner) -> Result<Vec<PlannedEviction>> {
    DeferredClose::scope(|space| {
        let mut run = PruneRun::start(inner, space)?;
        let mut plan = Plan { evictions: Vec::new(), left: run.cached()? };
        if inner.config().max_size > 0 {
            for image_id in policy::planned(&mut run)? {
                plan.add(inner, image_id, EvictionCause::Policy)?;
            }
        }
        while let Some(excess) = excess(inner, plan.left) {
            if !plan.add_victims(&run, excess)? {
                break;
            }
        }
        Ok(plan.evictions)
    })
}

/// The driver's order of eviction: as many victims as it names in one call.
pub(crate) fn eviction_order(inner: &CacheInner) -> Result<Vec<Victim>> {
    DeferredClose::scope(|space| {
        PruneRun::start(inner, space)?.select_victims(u64::MAX, &[], u32::MAX)
    })
}

impl Plan {
    /// Asks for the victims of an excess; false if the driver names none that is cached.
    fn add_victims(&mut self, run: &PruneRun<'_, '_>, excess: Excess) -> Result<bool> {
        let (cause, bytes_needed, most) = match excess {
            Excess::Bytes(bytes) => (EvictionCause::MaxSize, bytes, u32::MAX),
            Excess::Images(images) => {
                let most = u32::try_from(images).unwrap_or(u32::MAX);
                (EvictionCause::MaxImages, u64::MAX, most)
            }
        };
        let exclude: Vec<ImageId> =
            self.evictions.iter().map(|planned| planned.image_id.clone()).collect();
        let (before, mut freed) = (self.evictions.len(), 0);
        for victim in run.select_victims(bytes_needed, &exclude, most)? {
            if freed < bytes_needed {
                freed += self.add(run.inner, victim.image_id, cause)?;
            }
        }
        Ok(self.evictions.len() > before)
    }

    /// Adds an image, and returns its size; 0 if it is not cached.
    fn add(&mut self, inner: &CacheInner, image_id: ImageId, cause: EvictionCause) -> Result<u64> {
        let file = inner.directory.cached_file(&image_id);
        let Some(file) = file.map_err(Error::image("examine", &image_id))? else { return Ok(0) };
        self.left.images = self.left.images.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(file.size);
        self.evictions.push(PlannedEviction { image_id, size: file.size, cause });
        Ok(file.size)
    }
}
