//! The targets that need only the model and the store. A target panics if the code under test violates its contract.
//!
//! The store's own tests include this module, and run all inputs of the corpora.

pub mod config_ini;
pub mod config_toml;
pub mod digest_file;
pub mod image_ids;

use image_cache_model::ConfigError;

/// Maximum length of a shown fault: the found value is cut, and the accepted values include a few lists.
const MAX_SHOWN: usize = 4096;

/// A refused configuration states for each fault what was found and what is accepted, each on one line.
fn explains_itself(error: &ConfigError) {
    assert!(!error.faults.is_empty(), "it is refused without a fault");
    for fault in &error.faults {
        let shown = fault.to_string();
        assert!(!fault.found.is_empty() && !fault.accepted.is_empty(), "{shown}");
        assert!(shown.len() <= MAX_SHOWN, "{} bytes are shown", shown.len());
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}
