//! The images that the test pinned.

use super::state::with;
pub use crate::bindings::image_cache::driver::pins::PinnedImage;
use crate::types::Error;

/// A page of pinned images.
pub fn list_pinned(after: Option<&str>, limit: u32) -> Result<Vec<PinnedImage>, Error> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let pinned = |id: &String| PinnedImage { image_id: id.clone(), pins: 1, until: None };
    with(|state| {
        let later = state.pinned.iter().filter(|id| after.is_none_or(|after| id.as_str() > after));
        Ok(later.take(most).map(pinned).collect())
    })
}
