//! A driver by itself, for tests of what the suite does not know: an author's own policy.

use crate::driver::{Driver, LoadError};
use image_cache_model::Config;
use image_cache_store::Directory;
use std::sync::Arc;

/// Loads the driver of `config` on its cache directory, which is made if it is missing. Each call of it is one call of the
/// component, at whatever time the caller chooses; no cache is opened, and nothing is reconciled.
///
/// ```
/// use image_cache_engine::conformance;
/// use image_cache_model::{Config, Eviction};
/// # let place = tempfile::tempdir()?;
/// # let directory = place.path().join("cache");
/// let driver = conformance::load(&Config::builder(directory).driver("sqlite").build()?)?;
/// let now = std::time::SystemTime::now();
/// let all = Eviction { now, bytes_needed: u64::MAX, exclude: &[], limit: 10 };
/// assert_eq!(driver.select_victims(&all)?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Every reason why the driver cannot be used, or that the directory cannot.
pub fn load(config: &Config) -> Result<Driver, LoadError> {
    let directory = Directory::open(&config.dir, &config.sqlite_db).map_err(|fault| {
        let words = format!("{} cannot be used: {}", fault.path.display(), fault.source);
        LoadError::new(&config.driver, vec![words])
    })?;
    Driver::load(&config.driver, config, Arc::new(directory))
}
