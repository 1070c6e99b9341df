//! The driver of an open cache: loaded again, and asked why an image would stay or go.

use super::ImageCache;
use crate::error::Result;
use crate::metadata::DriverStatus;
use crate::prune::{EvictionCause, eviction_order};
use image_cache_model::CachedImage;
use image_cache_store::Pin;

/// Why a cached image would stay or go, in [`ImageCache::explain`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Its record.
    pub record: CachedImage,
    /// Its place in the driver's order of eviction, from 1; `None` if the driver does not name it among the first victims.
    pub rank: Option<u64>,
    /// Victims that the driver was asked for.
    pub ranked: u64,
    /// Why the next prune evicts it; `None` if it stays.
    pub goes: Option<EvictionCause>,
    /// Images that the next prune evicts.
    pub planned: u64,
    /// Its pins; while it has one, it is not evicted.
    pub pins: Vec<Pin>,
}

impl ImageCache {
    /// Loads the configured driver again, for example because its component was replaced, and uses it from the next call on. Reads
    /// and fetches go on meanwhile, and no hit is lost. If sqlite took its place, this gives it another chance.
    ///
    /// ```
    /// use image_cache::{Config, ImageCache};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// assert_eq!(cache.reload_driver()?.name, "sqlite");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Every reason why it cannot be loaded or configured; the driver in use then stays in use.
    pub fn reload_driver(&self) -> Result<DriverStatus> {
        let inner = self.inner()?;
        inner.flush();
        inner.metadata.reload()?;
        inner.flush();
        Ok(self.driver())
    }

    /// The record of a cached image, its rank in the driver's order, and whether the next prune evicts it; `None` if it is not
    /// cached.
    pub fn explain(&self, id: &str) -> Result<Option<Explanation>> {
        let Some(record) = self.cached_image(id)? else { return Ok(None) };
        let plan = self.plan_prune()?;
        let order = eviction_order(self.inner()?)?;
        let rank = order.iter().position(|victim| victim.image_id == record.image_id);
        let goes = plan.iter().find(|planned| planned.image_id == record.image_id);
        let pinned = self.pinned_images()?;
        let pins = pinned.into_iter().find(|pinned| pinned.image_id == record.image_id);
        Ok(Some(Explanation {
            pins: pins.map(|pinned| pinned.pins).unwrap_or_default(),
            rank: rank.map(|rank| rank as u64 + 1),
            ranked: order.len() as u64,
            goes: goes.map(|planned| planned.cause),
            planned: plan.len() as u64,
            record,
        }))
    }
}
