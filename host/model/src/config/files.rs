//! Configuration files: TOML, and oslo.config (INI). The feature `config-files` contains them.

use super::fault::{ConfigError, Rejected, at_line};
use super::layers::ConfigLayers;
use super::{Config, oslo, toml_file};
use crate::read_file::read_file;
use std::io;
use std::path::Path;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// With the feature `config-files`.
impl ConfigLayers {
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
}

/// With the feature `config-files`.
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
    ///
    /// ```
    /// use image_cache_model::Config;
    /// let config = Config::from_toml(
    ///     r#"
    ///     image_cache_dir = "/var/lib/images"
    ///     image_cache_max_size = "500 GiB"
    ///     "#,
    ///     "image-cache.toml".as_ref(),
    /// )?;
    /// assert_eq!(config.max_size, 500 << 30);
    /// assert_eq!(config.driver, "sqlite");
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
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
