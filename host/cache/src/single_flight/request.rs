//! The request of a reader.

use super::progress_info::Route;
use crate::cache::CacheInner;
use crate::metadata::DriverBudget;
use image_cache_model::{Checksum, Expected, ImageId, Requester};
use std::ops::Range;
use std::sync::Arc;

/// The requested image and range.
#[derive(Clone)]
pub(crate) struct Request {
    pub inner: Arc<CacheInner>,
    pub image_id: ImageId,
    pub expected: Expected,
    pub requester: Requester,
    /// The requested range, which may extend beyond the image's end.
    pub range: Range<u64>,
    /// Where the reader first found it; set from the beginning for a range that joins another reader's fetch.
    pub route: Option<Route>,
    /// Whether a cached file could not be read to its end.
    pub distrusts_cached: bool,
}

impl Request {
    /// The checksum in the record, if this reader expects one: the writer may not have expected it.
    pub fn recorded_checksum(&self) -> Option<Checksum> {
        self.expected.checksums().first()?;
        let metadata = &self.inner.metadata;
        let record = metadata.cached_image(&self.image_id, &DriverBudget::one_call());
        record.ok()?.and_then(|record| record.checksum)
    }
}
