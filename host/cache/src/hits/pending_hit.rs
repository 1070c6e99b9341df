//! The hit of a running read.

use crate::cache::CacheInner;
use image_cache_model::{Hit, ImageId, RequestKind, Requester};
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
    bytes: u64,
    requester: Requester,
}

impl PendingHit {
    /// The hit of a follower.
    pub fn of_follower(inner: &Arc<CacheInner>, image_id: &ImageId, requester: &Requester) -> Self {
        let kind = match requester.kind {
            RequestKind::Client => RequestKind::Follower,
            other => other,
        };
        let requester = requester.clone().with_kind(kind);
        let (inner, image_id) = (Arc::clone(inner), image_id.clone());
        PendingHit { inner, image_id, file: Weak::new(), bytes: 0, requester }
    }

    /// The hit of a read of so many bytes of this cached file.
    pub fn on(
        inner: &Arc<CacheInner>,
        image_id: &ImageId,
        file: &Arc<File>,
        bytes: u64,
        requester: &Requester,
    ) -> Self {
        PendingHit {
            inner: Arc::clone(inner),
            image_id: image_id.clone(),
            file: Arc::downgrade(file),
            bytes,
            requester: requester.clone(),
        }
    }

    /// The same hit of a read of so many bytes.
    pub fn of_bytes(self, bytes: u64) -> Self {
        PendingHit { bytes, ..self }
    }

    pub fn count(self) {
        let PendingHit { inner, image_id, file, bytes, requester } = self;
        if !inner.process.is_current() {
            return;
        }
        // Records that were just replaced must contain the image first.
        inner.reconcile();
        inner.metrics.counters().hits += 1;
        inner.hits.count(Hit { image_id, at: SystemTime::now(), bytes, requester }, &file);
    }
}
