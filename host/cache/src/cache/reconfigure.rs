//! Options that change while the cache is open.

use super::{CacheInner, ImageCache};
use crate::error::Result;
use crate::metadata::DriverStatus;
use image_cache_model::{Config, ConfigBuilder, ConfigError, ConfigFault, ConfigOption};

/// Where a fault of a change is.
const ORIGIN: &str = "the open cache";

impl ImageCache {
    /// Changes options of the open cache: sizes and limits, the free space that it leaves, the delay of hits, the verification of
    /// reads, or the driver with its options. Only the directory and the database's path cannot change. Reads, fetches and other
    /// calls go on meanwhile; a change applies to what begins after it, in this process.
    ///
    /// If the driver's options or the cache's limits change, the driver is loaded again with them, as by
    /// [`reload_driver`](Self::reload_driver); if it cannot be, nothing changes. A smaller size evicts nothing by itself: call
    /// [`prune`](Self::prune).
    ///
    /// ```
    /// use image_cache::{Config, ImageCache};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).max_size(50 << 30).build()?)?;
    /// cache.reconfigure(|options| options.max_size(10 << 30).verify_reads(false))?;
    /// assert_eq!(cache.config().max_size, 10 << 30);
    /// assert_eq!(cache.reconfigure(|options| options.driver("xattr"))?.name, "xattr");
    /// assert!(cache.reconfigure(|options| options.dir("/elsewhere")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// All faults of the new configuration, or every reason why the driver cannot be loaded with it; nothing is changed then.
    pub fn reconfigure(
        &self,
        change: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
    ) -> Result<DriverStatus> {
        let inner = self.inner()?;
        let _one_at_a_time = inner.live_config.lock_changes();
        let old = inner.config();
        let new = change(old.to_builder()).build()?;
        check_fixed(&old, &new)?;
        if needs_driver(inner, &old, &new) {
            inner.flush();
            inner.metadata.load(&new)?;
        }
        inner.hits.set_times(new.hit_delay, new.policy_min_age);
        inner.live_config.set(new);
        // Writes the hits that were collected for the old delay, and reconciles the records of another driver.
        inner.flush();
        Ok(self.driver())
    }
}

/// Refuses a change of what the open cache has opened.
fn check_fixed(old: &Config, new: &Config) -> Result<(), ConfigError> {
    let fixed = [
        (ConfigOption::Dir, &old.dir, &new.dir),
        (ConfigOption::SqliteDb, &old.sqlite_db, &new.sqlite_db),
    ];
    let changed = fixed.into_iter().filter(|(_, old, new)| old != new);
    let fault = |(option, old, new): (ConfigOption, &std::path::PathBuf, &std::path::PathBuf)| {
        let accepted = format!("{old:?}: open another cache for another value");
        ConfigFault::new(ORIGIN, option.name(), format!("{new:?}"), accepted)
    };
    let faults: Vec<ConfigFault> = changed.map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(ConfigError::new(faults)) }
}

/// Whether the driver must be loaded again. A fallback knows no limits, and its configured driver need not work.
fn needs_driver(inner: &CacheInner, old: &Config, new: &Config) -> bool {
    let is_other =
        old.driver != new.driver || old.drivers.get(&old.driver) != new.drivers.get(&new.driver);
    let has_limits = (old.max_size, old.max_images) != (new.max_size, new.max_images);
    is_other || (has_limits && inner.metadata.status().fallback.is_none())
}
