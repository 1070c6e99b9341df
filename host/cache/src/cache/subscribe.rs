//! Subscriptions to the cache's events.

use super::ImageCache;
use crate::events::{EventHub, Subscription};

/// The events that a subscription keeps until they are received.
const EVENTS: usize = 1024;

impl ImageCache {
    /// Starts a subscription to what happens in the cache: images that are cached, removed or found damaged, and failovers of the
    /// driver.
    ///
    /// The subscription keeps the last 1024 events that were not received. A slow subscriber never delays the cache: older events
    /// are dropped, and [`CacheEvent::Lost`](crate::CacheEvent::Lost) has their number.
    ///
    /// ```
    /// use image_cache::{CacheEvent, Config, Expected, ImageCache, RemovalReason};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// let mut events = cache.subscribe();
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
    /// cache.delete_cached_image("cirros")?;
    /// assert!(matches!(events.recv()?, CacheEvent::Cached(image) if image.size == 8));
    /// assert!(matches!(events.recv()?, CacheEvent::Removed { reason: RemovalReason::Deleted, .. }));
    /// assert!(events.try_recv().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self) -> Subscription {
        self.subscribe_with_capacity(EVENTS)
    }

    /// The same with room for another number of events; at least one. In a forked child that cannot open the cache, the
    /// subscription has ended.
    pub fn subscribe_with_capacity(&self, events: usize) -> Subscription {
        let Ok(inner) = self.inner() else {
            let nothing_happens = EventHub::default();
            let ended = nothing_happens.subscribe(events);
            nothing_happens.close();
            return ended;
        };
        inner.events.subscribe(events)
    }
}
