//! Ranges of images, also of images that are being fetched.

use super::ImageCache;
use crate::error::Result;
use crate::single_flight::{FetchProgress, FetchReader, Request, Route};
use image_cache_model::Expected;
use std::io::{self, Read};
use std::ops::Range;

impl ImageCache {
    /// A range of an image's bytes, clamped to its size, from the cache or from its fetch, which it starts if none runs: the
    /// reader gets the bytes that have arrived, and waits for the rest. `None` if the image cannot be cached now (the driver
    /// refuses it, there is no room, the cached image is not the expected one); then `fetch` is not called.
    ///
    /// The whole image is fetched from its beginning, even for a small range; [`progress`](Self::progress) returns how far a
    /// fetch is. **A range from a running fetch is not verified yet, unless it includes the image's last byte**: the reader ends
    /// when its bytes have arrived, and the rest may still fail the verification. Only the image's last byte is withheld until
    /// the verification. Such a range counts no hit, unless the image is cached by then.
    ///
    /// A reader of a range has no source of its own: if the cache fails during the fill, or the fetch that it follows is
    /// interrupted, it returns an error.
    pub fn get_or_fetch_range<F, R>(
        &self,
        id: &str,
        range: Range<u64>,
        expected: Expected,
        fetch: F,
    ) -> Result<Option<FetchReader>>
    where
        F: FnOnce() -> io::Result<R> + Send + 'static,
        R: Read + Send + 'static,
    {
        let request = self.request(id, expected.clone(), range)?;
        // Dropped after the range's reader has joined the fetch.
        let whole = self.get_or_fetch(id, expected, fetch)?;
        match whole.route() {
            Route::Passing => Ok(None),
            route => FetchReader::open(Request { route: Some(route), ..request }, None),
        }
    }

    /// A range of an image that is cached or being fetched, without a source; `None` if it is neither.
    pub fn follow_range(&self, id: &str, range: Range<u64>) -> Result<Option<FetchReader>> {
        FetchReader::open(self.request(id, Expected::nothing(), range)?, None)
    }

    /// The progress of the image's fetch, if one fills the cache in this process.
    pub fn progress(&self, id: &str) -> Result<Option<FetchProgress>> {
        let inner = self.inner()?;
        Ok(inner.in_flight.progress(&inner.image_id(id)?))
    }
}
