//! What a reader asks for.

use super::progress_info::Route;
use crate::cache::CacheInner;
use crate::metadata::DriverBudget;
use image_cache_model::{Checksum, Expected, ImageId};
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
    /// Where its reader found it at first; known from the beginning if it is a part of what another reader found.
    pub route: Option<Route>,
    /// Whether a cached file could not be read to its end.
    pub distrusts_cached: bool,
}

impl Request {
    /// The MD5 in the record, if one is expected: the writer may have expected less.
    pub fn recorded_digest(&self) -> Option<Checksum> {
        self.expected.md5.as_ref()?;
        let metadata = &self.inner.metadata;
        let record = metadata.cached_image(&self.image_id, &DriverBudget::one_call());
        record.ok()?.and_then(|record| record.checksum)
    }
}
