//! Finds and inspects a driver by its name.

use anyhow::Context;
use image_cache::{BuiltIn, Config, Inspection, LoadFault, conformance, inspect, names};
use std::borrow::Cow;
use std::path::Path;

/// The path of a file with this name, unless a driver has the name: an author need not write `./lfu`.
pub fn as_file<'a>(name: &'a str, config: &Config) -> Cow<'a, str> {
    let is_known = config.drivers.contains_key(name) || is_built_in(name);
    let is_path = name.contains('/') || name.ends_with(".wasm");
    if !is_known && !is_path && Path::new(name).is_file() {
        return format!("./{name}").into();
    }
    name.into()
}

pub fn is_built_in(name: &str) -> bool {
    BuiltIn::named(name).is_some()
}

/// Inspects a driver, and checks whether it accepts its configuration: on an empty cache that is removed afterwards, on the file
/// system of the configured cache if that exists and is writable.
pub fn inspect_and_try(name: &str, config: &Config) -> anyhow::Result<Inspection> {
    let mut inspection = inspect(name, config);
    if !inspection.faults.is_empty() {
        return Ok(inspection);
    }
    let own = config.dir.join(names::OWN);
    let scratch = tempfile::tempdir_in(own).or_else(|_| tempfile::tempdir());
    let scratch = scratch.context("cannot create a directory to test the driver")?;
    let mut config = config.clone();
    config.driver = name.to_owned();
    if let Err(error) = conformance::loads(&config, scratch.path()) {
        inspection.faults = error.faults().to_vec();
    }
    Ok(inspection)
}

/// The texts of the reasons why a driver cannot be loaded.
pub fn texts(faults: &[LoadFault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

/// `yes`, or the text for no.
pub fn yes_or(condition: bool, otherwise: &str) -> String {
    if condition { "yes".to_owned() } else { otherwise.to_owned() }
}
