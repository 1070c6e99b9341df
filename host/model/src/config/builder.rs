//! Building a configuration in code.

use super::check;
use super::driver_config::DriverConfig;
use super::{Config, ConfigBuilder, ConfigError};
use std::path::PathBuf;

impl Config {
    /// Starts a configuration in code; every option except the directory has its default.
    ///
    /// ```
    /// let config = image_cache_model::Config::builder("/var/lib/images").driver("xattr").build()?;
    /// assert_eq!(config.driver, "xattr");
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
    pub fn builder(dir: impl Into<PathBuf>) -> ConfigBuilder {
        ConfigBuilder { dir: Some(dir.into()), ..ConfigBuilder::default() }
    }
}

impl ConfigBuilder {
    /// Defines a driver under a name.
    #[must_use]
    pub fn define_driver(mut self, name: impl Into<String>, driver: DriverConfig) -> Self {
        self.drivers.insert(name.into(), driver);
        self
    }

    /// Checks all values and builds the configuration.
    ///
    /// # Errors
    /// Every fault, not only the first.
    ///
    /// ```
    /// use std::time::Duration;
    /// let error = image_cache_model::Config::builder("/var/lib/images")
    ///     .sqlite_db("../cache.db")
    ///     .hit_delay(Duration::from_secs(86_400))
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(error.faults.len(), 2);
    /// ```
    pub fn build(mut self) -> Result<Config, ConfigError> {
        // A missing directory is checked like an empty name.
        self.dir.get_or_insert_default();
        let mut faults = Vec::new();
        for (option, rejected) in self.check_values() {
            faults.push(rejected.at("the builder", option.name()));
        }
        for (name, driver) in &self.drivers {
            for (key, rejected) in check::driver_config(name, driver) {
                faults.push(rejected.at("the builder", check::driver_key(name, key)));
            }
        }
        if faults.is_empty() { Ok(self.with_defaults()) } else { Err(ConfigError { faults }) }
    }
}
