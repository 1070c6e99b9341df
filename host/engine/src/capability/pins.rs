//! The capability `pins`: the images that an operator protects from eviction.

use super::error::{CapabilityError, io_error};
use crate::bindings::image_cache::driver::pins as wit;
use image_cache_model::timestamp;
use image_cache_store::{Directory, PinnedImage};
use std::sync::Arc;

/// Maximum number of images in a page.
const MAX_PAGE: usize = 10_000;

/// Where a driver finds the pins of its cache.
#[derive(Debug)]
pub struct PinnedImages {
    /// `None` in a simulation, which has no pins.
    directory: Option<Arc<Directory>>,
}

impl PinnedImages {
    pub fn of(directory: &Arc<Directory>) -> PinnedImages {
        PinnedImages { directory: Some(Arc::clone(directory)) }
    }

    pub fn none() -> PinnedImages {
        PinnedImages { directory: None }
    }

    pub fn page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<wit::PinnedImage>, CapabilityError> {
        let Some(directory) = &self.directory else { return Ok(Vec::new()) };
        let most = usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_PAGE);
        let pinned = directory.pins().and_then(|pins| pins.list(after, most));
        let pinned = pinned.map_err(|error| io_error(&error))?;
        Ok(pinned.into_iter().map(to_guest).collect())
    }
}

fn to_guest(pinned: PinnedImage) -> wit::PinnedImage {
    wit::PinnedImage {
        image_id: pinned.image_id.as_str().to_owned(),
        pins: u32::try_from(pinned.pins.len()).unwrap_or(u32::MAX),
        until: pinned.until().map(timestamp),
    }
}
