//! The hit of a running read.

use crate::cache::CacheInner;
use image_cache_model::{Hit, ImageId};
use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// The hit of a read before its end.
///
/// The reader [counts](Self::count) it when the last byte is delivered. If it is dropped before that, the read is not a hit.
pub(crate) struct PendingHit {
    inner: Arc<CacheInner>,
    image_id: ImageId,
    /// The cached file that is read, if any. A weak reference, because an image is not evicted while its file is open.
    file: Weak<File>,
}

impl PendingHit {
    /// The hit of a follower.
    pub fn new(inner: &Arc<CacheInner>, image_id: &ImageId) -> Self {
        PendingHit { inner: Arc::clone(inner), image_id: image_id.clone(), file: Weak::new() }
    }

    /// The hit of a read of this cached file.
    pub fn on(inner: &Arc<CacheInner>, image_id: &ImageId, file: &Arc<File>) -> Self {
        PendingHit { file: Arc::downgrade(file), ..PendingHit::new(inner, image_id) }
    }

    pub fn count(self) {
        let PendingHit { inner, image_id, file } = self;
        // Records that were just replaced must contain the image first.
        inner.reconcile();
        inner.metrics.counters().hits += 1;
        inner.hits.count(Hit { image_id, at: SystemTime::now() }, &file);
    }
}
