//! The events of a cache for tokio.

use super::AsyncImageCache;
use crate::events::{CacheEvent, Subscription};
use futures_util::stream::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

impl AsyncImageCache {
    /// [`ImageCache::subscribe`](crate::ImageCache::subscribe); it does not block. Receive with
    /// [`recv_async`](Subscription::recv_async), or use the subscription as a stream.
    ///
    /// ```
    /// # use image_cache::tokio::AsyncImageCache;
    /// # use image_cache::{CacheEvent, Config, Expected};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// # let cache = AsyncImageCache::open(Config::builder(directory).build()?).await?;
    /// let mut events = cache.subscribe();
    /// let task = tokio::spawn(async move { events.recv_async().await });
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing()).await?;
    /// assert!(matches!(task.await?, Some(CacheEvent::Cached(image)) if image.size == 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self) -> Subscription {
        self.cache.subscribe()
    }
}

/// Ends when the cache was closed.
impl Stream for Subscription {
    type Item = CacheEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        self.get_mut().poll_recv(context)
    }
}
