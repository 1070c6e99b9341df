//! The options of a cache, from Python's keyword arguments.

use image_cache::{Config, ConfigError, ConfigLayers, ConfigOption};
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::Path;

/// The names of all options, as in a configuration file.
#[pyfunction]
pub fn option_names() -> Vec<&'static str> {
    ConfigOption::ALL.iter().map(|option| option.name()).collect()
}

/// The configuration: the file first, then the options, which the caller has checked to be known. All faults are reported together.
pub fn config(file: Option<&Path>, options: &[(String, OsString)]) -> Result<Config, ConfigError> {
    let layers = file.into_iter().fold(ConfigLayers::new(), ConfigLayers::file);
    let set = |layers: ConfigLayers, (name, value): &(String, OsString)| match ConfigOption::ALL
        .iter()
        .find(|option| option.name() == name)
    {
        Some(option) => layers.flag(name, *option, value),
        None => layers,
    };
    options.iter().fold(layers, set).build()
}
