//! A fill that is fed in the background, with what waits to be fed to it.

use crate::error::Result;
use crate::fill::Fill;
use bytes::Bytes;
use image_cache_store::sync::lock;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Chunks that came and wait for the background.
pub(super) type Waiting = Arc<Mutex<Vec<Bytes>>>;

/// A fill and the chunks that wait for it. Dropped before its end it takes them first, so that the file in `invalid/` has all that
/// came.
pub(super) struct Fed {
    /// None once it was taken out for its end.
    fill: Option<Box<Fill>>,
    waiting: Waiting,
}

/// Why there is a fill.
const THERE: &str = "it is taken only by who gives the whole up";

impl Fed {
    pub fn new(fill: Fill) -> Self {
        Fed { fill: Some(Box::new(fill)), waiting: Waiting::default() }
    }

    /// Where chunks for it wait.
    pub fn waiting(&self) -> Waiting {
        Arc::clone(&self.waiting)
    }

    /// Feeds it what waits; an error where it refuses that.
    pub fn take_waiting(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        match &mut self.fill {
            Some(fill) => waiting.iter().try_for_each(|chunk| fill.push(chunk)),
            None => Ok(()),
        }
    }

    /// The fill, for its end.
    pub fn into_fill(mut self) -> Fill {
        *self.fill.take().expect(THERE)
    }
}

impl Deref for Fed {
    type Target = Fill;

    fn deref(&self) -> &Fill {
        self.fill.as_ref().expect(THERE)
    }
}

impl DerefMut for Fed {
    fn deref_mut(&mut self) -> &mut Fill {
        self.fill.as_mut().expect(THERE)
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        if self.fill.as_ref().is_some_and(|fill| fill.bypass_reason().is_none()) {
            // Nobody wants to know any more whether it refuses them; it has written them then.
            let _ = self.take_waiting();
        }
    }
}
