//! Selects the least recently accessed images (LRU order), in one pass over all files.

use crate::listing::for_each_file;
use image_cache_driver_sdk::{LruSelector, prelude::*};

/// Returns the least recently accessed images until their sizes reach the needed bytes. It considers all files, because the host has
/// adopted every file before this call.
pub fn select(request: Eviction) -> Result<Vec<Victim>, Error> {
    if request.bytes_needed == 0 {
        return Ok(Vec::new());
    }
    let mut oldest = LruSelector::new(request);
    for_each_file(|file| oldest.offer(&file.image_id, file.size, file.accessed))?;
    Ok(oldest.into_victims())
}
