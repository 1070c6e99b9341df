//! Messages are kept for the test.

use super::state::with;
pub use crate::bindings::image_cache::driver::log::Level;

/// Keeps a message.
pub fn log(level: Level, message: &str) {
    with(|state| state.messages.push((level, message.into())));
}
