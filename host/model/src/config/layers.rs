//! Combines a configuration from a file, the environment and flags; each overrides the one before.

use super::Config;
use super::fault::{ConfigError, ConfigFault, Rejected};
use super::given::Given;
use super::option_table::{ConfigBuilder, ConfigOption};
use std::ffi::{OsStr, OsString};

/// Layers of configuration: each overrides those before it, and the faults of all are reported together.
///
/// ```
/// use image_cache_model::{ConfigLayers, ConfigOption};
/// let variables = [("IMAGE_CACHE_DIR", "/var/lib/images"), ("IMAGE_CACHE_MAX_SIZE", "1 GiB")];
/// let config = ConfigLayers::new()
///     .environment(variables.map(|(name, value)| (name.into(), value.into())))
///     .flag("--max-size", ConfigOption::MaxSize, "2 GiB".as_ref())
///     .build()?;
/// assert_eq!(config.max_size, 2 << 30);
/// # Ok::<(), image_cache_model::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConfigLayers {
    pub(super) builder: ConfigBuilder,
    pub(super) faults: Vec<ConfigFault>,
}

impl From<ConfigBuilder> for ConfigLayers {
    /// Layers above the values of a builder, for example those of [`Config::to_builder`].
    ///
    /// ```
    /// use image_cache_model::{Config, ConfigLayers, ConfigOption};
    /// let config = Config::builder("/var/lib/images").driver("xattr").build()?;
    /// let layers = ConfigLayers::from(config.to_builder());
    /// let changed = layers.flag("max_size", ConfigOption::MaxSize, "2 GiB".as_ref()).build()?;
    /// assert_eq!((changed.driver.as_str(), changed.max_size), ("xattr", 2 << 30));
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
    fn from(builder: ConfigBuilder) -> ConfigLayers {
        ConfigLayers { builder, faults: Vec::new() }
    }
}

impl ConfigLayers {
    /// Starts without a layer: every option has its default, except the directory, which has none.
    pub fn new() -> ConfigLayers {
        ConfigLayers::default()
    }

    /// Adds the variables that belong to options ([`ConfigOption::variable`]). An empty one counts as not set.
    #[must_use]
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        for (name, value) in variables {
            let option = ConfigOption::ALL.iter().find(|option| name == *option.variable());
            if let Some(option) = option.filter(|_| !value.is_empty()) {
                self = self.flag(&format!("${}", option.variable()), *option, &value);
            }
        }
        self
    }

    /// Adds one option; `flag` is the origin of its faults.
    #[must_use]
    pub fn flag(mut self, flag: &str, option: ConfigOption, value: &OsStr) -> Self {
        let set = option.set(&Given::Text(value), &mut self.builder);
        self.faults.extend(set.err().map(|rejected| rejected.at(flag, option.name())));
        self
    }

    /// Combines the layers.
    ///
    /// # Errors
    /// All faults of all layers, also of values that a later layer overrides; and a missing directory.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        let dir = ConfigOption::Dir;
        // A file with a syntax error may contain the directory.
        let explained =
            self.faults.iter().any(|fault| fault.key.is_empty() || fault.key == dir.name());
        if self.builder.dir.is_none() && !explained {
            let accepted = format!(
                "a directory, from {}, ${} or a configuration file",
                dir.definition().flag,
                dir.variable()
            );
            self.faults.push(Rejected::new("nothing", accepted).at("", dir.name()));
        }
        if !self.faults.is_empty() {
            return Err(ConfigError { faults: self.faults });
        }
        Ok(self.builder.with_defaults())
    }
}
