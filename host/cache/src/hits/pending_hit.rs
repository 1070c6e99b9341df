//! The hit of a read that is under way.

use crate::cache::CacheInner;
use image_cache_model::{Hit, ImageId};
use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// The hit of a read that has not reached its end.
///
/// The reader [counts](Self::count) it when the last byte is delivered. Dropped before that, the read is no hit.
pub(crate) struct PendingHit {
    inner: Arc<CacheInner>,
    image_id: ImageId,
    /// What is read, if that is a cached file. It is the reader's to close: an image is not evicted while it is open.
    file: Weak<File>,
}

impl PendingHit {
    /// By a read along with a fetch.
    pub fn new(inner: &Arc<CacheInner>, image_id: &ImageId) -> Self {
        PendingHit { inner: Arc::clone(inner), image_id: image_id.clone(), file: Weak::new() }
    }

    /// By a read of this cached file.
    pub fn on(inner: &Arc<CacheInner>, image_id: &ImageId, file: &Arc<File>) -> Self {
        PendingHit { file: Arc::downgrade(file), ..PendingHit::new(inner, image_id) }
    }

    pub fn count(self) {
        let PendingHit { inner, image_id, file } = self;
        // Records that were just replaced have to know the image first.
        inner.reconcile();
        inner.metrics.counters().hits += 1;
        inner.hits.count(Hit { image_id, at: SystemTime::now() }, &file);
    }
}
