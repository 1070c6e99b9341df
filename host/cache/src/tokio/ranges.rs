//! Ranges of images for tokio, also of images that are being fetched.

use super::reader::ImageReader;
use super::{AsyncImageCache, fetching};
use crate::error::Result;
use crate::single_flight::{FetchProgress, Request, Route};
use bytes::Bytes;
use futures_util::stream::Stream;
use image_cache_model::Expected;
use std::io;
use std::ops::Range;

impl AsyncImageCache {
    /// [`ImageCache::get_or_fetch_range`](crate::ImageCache::get_or_fetch_range) for a stream of chunks, like
    /// [`get_or_fetch_stream`](Self::get_or_fetch_stream). See there for ranges that are not verified yet.
    pub async fn get_or_fetch_range<S>(
        &self,
        id: &str,
        range: Range<u64>,
        expected: Expected,
        source: S,
    ) -> Result<Option<ImageReader>>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let request = self.request(id, expected.clone(), range)?;
        // Dropped after the range's reader has joined the fetch.
        let whole = self.get_or_fetch_stream(id, expected, source).await?;
        match whole.route() {
            Route::Passing => Ok(None),
            route => fetching::open(Request { route: Some(route), ..request }, None).await,
        }
    }

    /// [`ImageCache::follow_range`](crate::ImageCache::follow_range).
    pub async fn follow_range(&self, id: &str, range: Range<u64>) -> Result<Option<ImageReader>> {
        fetching::open(self.request(id, Expected::nothing(), range)?, None).await
    }

    /// [`ImageCache::progress`](crate::ImageCache::progress); it does not block.
    pub fn progress(&self, id: &str) -> Result<Option<FetchProgress>> {
        self.cache.progress(id)
    }
}
