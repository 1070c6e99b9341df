//! What each target does with its bytes that needs only the model and the store. It panics if the code under it breaks its promise.
//!
//! The store's own tests include this module, and feed it all that the corpora keep.

pub mod config_ini;
pub mod config_toml;
pub mod digest_file;
pub mod image_ids;

use image_cache_model::ConfigError;

/// Longest text of a fault that is shown: what was found is cut, and what is accepted has a few lists in it.
const MAX_SHOWN: usize = 4096;

/// A refused configuration says for each fault what was found and what is accepted, each on one line.
fn explains_itself(error: &ConfigError) {
    assert!(!error.faults.is_empty(), "it is refused for nothing");
    for fault in &error.faults {
        let shown = fault.to_string();
        assert!(!fault.found.is_empty() && !fault.accepted.is_empty(), "{shown}");
        assert!(shown.len() <= MAX_SHOWN, "{} bytes are shown", shown.len());
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}
