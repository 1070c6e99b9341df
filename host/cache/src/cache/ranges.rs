//! Parts of images, also of those that are still being fetched.

use super::ImageCache;
use crate::error::Result;
use crate::single_flight::{FetchProgress, FetchReader, Request, Route};
use image_cache_model::Expected;
use std::io::{self, Read};
use std::ops::Range;

impl ImageCache {
    /// A part of an image's bytes, cut to its length, from the cache or from its fetch, which is begun
    /// where nobody has: the reader gets what has come already, and waits for the rest. Nothing where the image
    /// cannot be cached now (the driver refuses it, there is no room, what is cached is not what was expected), so
    /// that there is nothing to read along with; `fetch` was not asked then.
    ///
    /// The whole image is fetched from its beginning, however small the part; [`progress`](Self::progress) tells how
    /// far a fetch has come. **A part that ends before the image does is not verified yet** when it comes from a fetch
    /// that runs: it ends as soon as its bytes have come, and what follows may still show that they are not those
    /// that were promised. Only the image's last byte waits for the verdict. Such a part counts no hit, unless the
    /// image is cached by then.
    ///
    /// A reader of a part has no source of its own to go on with: if the cache fails in mid-fill, or a fetch that
    /// it reads along with is broken off, it ends with an error.
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
        // Dropped when the part has joined its fetch.
        let whole = self.get_or_fetch(id, expected, fetch)?;
        match whole.route() {
            Route::Passing => Ok(None),
            route => FetchReader::open(Request { route: Some(route), ..request }, None),
        }
    }

    /// The same of an image that is cached or being fetched, without a source; nothing if it is neither.
    pub fn follow_range(&self, id: &str, range: Range<u64>) -> Result<Option<FetchReader>> {
        FetchReader::open(self.request(id, Expected::nothing(), range)?, None)
    }

    /// How far the fetch of an image has come, if one fills the cache in this process.
    pub fn progress(&self, id: &str) -> Result<Option<FetchProgress>> {
        Ok(self.inner().in_flight.progress(&self.inner().image_id(id)?))
    }
}
