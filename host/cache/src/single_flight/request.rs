//! What a reader asks for.

use crate::cache::CacheInner;
use image_cache_model::{Expected, ImageId};
use std::ops::Range;
use std::sync::Arc;

/// An image that is wanted.
#[derive(Clone)]
pub(crate) struct Request {
    pub inner: Arc<CacheInner>,
    pub image_id: ImageId,
    pub expected: Expected,
    /// The part of it that is wanted, which may reach beyond its end.
    pub range: Range<u64>,
    /// Whether a cached file could not be read to its end.
    pub distrusts_cached: bool,
}

impl Request {
    /// The same, of a part of the image.
    pub fn of_part(self, range: Range<u64>) -> Request {
        Request { range, ..self }
    }
}
