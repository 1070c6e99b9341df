//! A fill that is written in the background, with its pending chunks.

use crate::error::Result;
use crate::fill::Fill;
use bytes::Bytes;
use image_cache_store::sync::lock;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Chunks that arrived and are not written yet.
pub(super) type PendingChunks = Arc<Mutex<Vec<Bytes>>>;

/// A fill and its pending chunks. A drop before the end writes them first, so that the file in `invalid/` contains all bytes.
pub(super) struct QueuedFill {
    /// `None` after [`into_fill`](Self::into_fill).
    fill: Option<Box<Fill>>,
    pending: PendingChunks,
}

/// Why there is always a fill.
const TAKEN_ONCE: &str = "only methods that consume the wrapper take the fill";

impl QueuedFill {
    pub fn new(fill: Fill) -> Self {
        QueuedFill { fill: Some(Box::new(fill)), pending: PendingChunks::default() }
    }

    /// The pending chunks of this fill.
    pub fn pending_chunks(&self) -> PendingChunks {
        Arc::clone(&self.pending)
    }

    /// Pushes the pending chunks; an error if the fill refuses them.
    pub fn push_pending(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut *lock(&self.pending));
        match &mut self.fill {
            Some(fill) => pending.iter().try_for_each(|chunk| fill.push(chunk)),
            None => Ok(()),
        }
    }

    /// The fill, for its end.
    pub fn into_fill(mut self) -> Fill {
        *self.fill.take().expect(TAKEN_ONCE)
    }
}

impl Deref for QueuedFill {
    type Target = Fill;

    fn deref(&self) -> &Fill {
        self.fill.as_ref().expect(TAKEN_ONCE)
    }
}

impl DerefMut for QueuedFill {
    fn deref_mut(&mut self) -> &mut Fill {
        self.fill.as_mut().expect(TAKEN_ONCE)
    }
}

impl Drop for QueuedFill {
    fn drop(&mut self) {
        if self.fill.as_ref().is_some_and(|fill| fill.bypass_reason().is_none()) {
            // An error is ignored: even if the fill refuses the chunks, it has written them.
            let _ = self.push_pending();
        }
    }
}
