//! The size of the cache that the test set, and of what it holds.

use super::state::with;
pub use crate::bindings::image_cache::driver::capacity::{Limits, Usage};

/// The configured limits.
pub fn get_limits() -> Limits {
    Limits { bytes: with(|state| state.max_bytes), images: None }
}

/// What the cache holds, while victims are selected.
pub fn get_usage() -> Option<Usage> {
    with(|state| {
        let bytes = state.images.values().map(|image| image.size).sum();
        state.is_evicting.then_some(Usage { images: state.images.len() as u64, bytes })
    })
}
