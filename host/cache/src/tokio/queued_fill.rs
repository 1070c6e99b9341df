//! A fill that is fed in the background, with what waits to be fed to it.

use crate::error::Result;
use crate::fill::Fill;
use bytes::Bytes;
use image_cache_store::sync::lock;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Chunks that came and wait for the background.
pub(super) type PendingChunks = Arc<Mutex<Vec<Bytes>>>;

/// A fill and the chunks that wait for it. Dropped before its end it takes them first, so that the file in `invalid/` has all that
/// came.
pub(super) struct QueuedFill {
    /// None once it was taken out for its end.
    fill: Option<Box<Fill>>,
    pending: PendingChunks,
}

/// Why there is a fill.
const TAKEN_ONCE: &str = "it is taken only by who gives the whole up";

impl QueuedFill {
    pub fn new(fill: Fill) -> Self {
        QueuedFill { fill: Some(Box::new(fill)), pending: PendingChunks::default() }
    }

    /// Where chunks for it wait.
    pub fn pending_chunks(&self) -> PendingChunks {
        Arc::clone(&self.pending)
    }

    /// Pushes the chunks that wait; an error if it refuses them.
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
            // Nobody wants to know any more whether it refuses them; it has written them then.
            let _ = self.push_pending();
        }
    }
}
