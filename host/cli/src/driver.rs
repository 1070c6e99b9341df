//! `driver`: what an operator and an author do with drivers, one room for each command.

mod build;
mod check;
mod inspect;
mod junit;
mod list;
mod migrate;
mod new;

use super::args::{Driver, Global};
use super::exit::Code;
use super::{Session, configuration};
use anyhow::Context;
use image_cache::{
    Config, ConfigError, ConfigLayers, ConfigOption, Inspection, conformance, inspect,
};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

/// The drivers that come with the program.
const BUILT_IN: [&str; 2] = ["sqlite", "xattr"];

pub fn driver(global: &Global, command: &Driver) -> anyhow::Result<Code> {
    match command {
        Driver::List => list::list(&without_cache(global)?),
        Driver::Inspect { name } => inspect::inspect_one(&without_cache(global)?, name),
        Driver::New { name } => new::new(name),
        Driver::Build(build) => build::build(global.format, build),
        Driver::Migrate { from, to } => migrate::migrate(&with_cache(global)?, from, to),
        Driver::Check(check) => check::check(&without_cache(global)?, check),
    }
}

/// Moving records takes the cache that is configured, as every other command does.
fn with_cache(global: &Global) -> Result<Session, ConfigError> {
    Ok(Session { config: configuration(global, ConfigLayers::new())?, format: global.format })
}

/// A driver's author has no cache; none is opened, so any directory will do.
fn without_cache(global: &Global) -> Result<Session, ConfigError> {
    let layers = ConfigLayers::new().flag("the default", ConfigOption::Dir, OsStr::new("."));
    Ok(Session { config: configuration(global, layers)?, format: global.format })
}

/// A file's name as the path that it is, where no driver has this name: an author need not write `./lfu`.
fn as_file<'a>(name: &'a str, config: &Config) -> Cow<'a, str> {
    let is_known = config.drivers.contains_key(name) || is_built_in(name);
    let is_path = name.contains('/') || name.ends_with(".wasm");
    if !is_known && !is_path && Path::new(name).is_file() {
        return format!("./{name}").into();
    }
    name.into()
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|built_in| built_in.eq_ignore_ascii_case(name))
}

/// All there is to know about a driver, and whether it takes its configuration.
fn look(name: &str, config: &Config) -> anyhow::Result<Inspection> {
    let mut inspection = inspect(name, config);
    if inspection.faults.is_empty() {
        inspection.faults = refusals(name, config)?;
    }
    Ok(inspection)
}

/// Why the driver does not take its configuration, tried on an empty cache that is gone afterwards: on the file system of the configured
/// one, where that is there and may be written to.
fn refusals(name: &str, config: &Config) -> anyhow::Result<Vec<String>> {
    let own = config.dir.join(".image-cache");
    let scratch = tempfile::tempdir_in(own).or_else(|_| tempfile::tempdir());
    let scratch = scratch.context("cannot make a directory to try the driver in")?;
    let config = Config { driver: name.to_owned(), ..config.clone() };
    let tried = conformance::loads(&config, scratch.path());
    Ok(tried.err().map(|error| error.faults().to_vec()).unwrap_or_default())
}

/// `yes`, or what stands for no.
fn yes_or(condition: bool, otherwise: &str) -> String {
    if condition { "yes".to_owned() } else { otherwise.to_owned() }
}
