//! What can happen in a cache.

use crate::error::Damage;
use crate::metadata::Fallback;
use image_cache_model::{CachedImage, ImageId, RemovalReason};

/// Something that happened in the cache, in this process, or that this process noticed.
///
/// Events of different threads may arrive in another order than they happened: the cache itself has the current state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheEvent {
    /// An image was fetched or written, verified, and is cached now, with this record.
    Cached(CachedImage),
    /// An image is no longer cached: it was evicted, deleted or damaged; or another program replaced or removed its file, which was
    /// noticed when the records were reconciled. (The xattr driver keeps its records in the files, so it cannot notice that.)
    Removed {
        /// The image.
        image_id: ImageId,
        /// Why.
        reason: RemovalReason,
    },
    /// A read or a verification found a cached image damaged, and moved it to `invalid/`. A [`Removed`](Self::Removed) belongs to it.
    Damaged {
        /// The image.
        image_id: ImageId,
        /// What was found.
        damage: Damage,
    },
    /// The built-in sqlite driver replaced the configured one while the cache was open. What happened at opening is in
    /// [`ImageCache::driver`](crate::ImageCache::driver).
    Fallback(Fallback),
    /// The subscriber was too slow: this number of events before the next one was dropped.
    Lost {
        /// The number of events.
        events: u64,
    },
}
