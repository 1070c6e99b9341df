//! Combines a configuration from a file, the environment and flags; each overrides the one before.

use super::fault::{ConfigError, ConfigFault, Rejected, at_line};
use super::given::Given;
use super::option_table::{ConfigBuilder, ConfigOption};
use super::{Config, oslo, toml_file};
use crate::read_file::read_file;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

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
    builder: ConfigBuilder,
    faults: Vec<ConfigFault>,
}

impl ConfigLayers {
    /// Starts without a layer: every option has its default, except the directory, which has none.
    pub fn new() -> ConfigLayers {
        ConfigLayers::default()
    }

    /// Adds a file; see [`Config::from_file`] for its formats.
    #[must_use]
    pub fn file(mut self, path: &Path) -> Self {
        match read(path) {
            Ok(text) if is_ini(path, &text) => {
                self.faults.extend(oslo::read(&text, path, &mut self.builder))
            }
            Ok(text) => self.faults.extend(toml_file::read(&text, path, &mut self.builder)),
            Err(error) => {
                let rejected = Rejected::new(
                    error.to_string(),
                    "a readable TOML or oslo.config (INI) file in UTF-8",
                );
                self.faults.push(rejected.at(at_line(path, None), ""));
            }
        }
        self
    }

    /// Adds the text of a TOML file; see [`Config::from_toml`].
    #[must_use]
    pub fn toml(mut self, text: &str, origin: &Path) -> Self {
        self.faults.extend(toml_file::read(text, origin, &mut self.builder));
        self
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

impl Config {
    /// Reads a TOML file or an oslo.config file. The name of an oslo.config file ends in `.conf` or `.ini`, or its first section
    /// is `[DEFAULT]`.
    ///
    /// # Errors
    /// All faults of the file, or one fault if it cannot be read.
    ///
    /// ```no_run
    /// let config = image_cache_model::Config::from_file("/etc/glance/glance-api.conf".as_ref())?;
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
    pub fn from_file(path: &Path) -> Result<Config, ConfigError> {
        ConfigLayers::new().file(path).build()
    }

    /// Reads TOML; `origin` is the file in faults, and relative paths of components are relative to its directory.
    ///
    /// # Errors
    /// All faults of the text.
    pub fn from_toml(text: &str, origin: &Path) -> Result<Config, ConfigError> {
        ConfigLayers::new().toml(text, origin).build()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = read_file(path, MAX_FILE_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::other("more than 4 MiB"),
        _ => error,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        io::Error::other(format!("bytes that are not UTF-8, in line {}", line + 1))
    })
}

/// Glance's file may have another name; its first section identifies it.
fn is_ini(path: &Path, text: &str) -> bool {
    let named = path.extension().is_some_and(|extension| extension == "conf" || extension == "ini");
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    named || first.is_some_and(|line| line.starts_with("[DEFAULT]"))
}
