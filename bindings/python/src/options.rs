//! The options of a cache, from Python's keyword arguments.

use image_cache::{Config, ConfigBuilder, ConfigError, ConfigLayers, ConfigOption, ImageCache};
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
    set_all(file.into_iter().fold(ConfigLayers::new(), ConfigLayers::file), options).build()
}

/// Changes options of the open cache. If there is a fault, nothing is changed.
pub fn reconfigure(cache: &ImageCache, options: &[(String, OsString)]) -> image_cache::Result<()> {
    let current = cache.config();
    set_all(ConfigLayers::from(current.to_builder()), options).build()?;
    // The values are those that were just checked, so the second check does not fail.
    let change = |builder: ConfigBuilder| {
        let changed = set_all(ConfigLayers::from(builder.clone()), options).build();
        changed.map_or(builder, |config| config.to_builder())
    };
    cache.reconfigure(change).map(drop)
}

fn set_all(layers: ConfigLayers, options: &[(String, OsString)]) -> ConfigLayers {
    let set = |layers: ConfigLayers, (name, value): &(String, OsString)| match ConfigOption::ALL
        .iter()
        .find(|option| option.name() == name)
    {
        Some(option) => layers.flag(name, *option, value),
        None => layers,
    };
    options.iter().fold(layers, set)
}
