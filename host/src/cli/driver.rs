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
use image_cache::{ConfigError, ConfigLayers, ConfigOption};
use std::ffi::OsStr;

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

/// Moving books takes the cache that is configured, as every other command does.
fn with_cache(global: &Global) -> Result<Session, ConfigError> {
    Ok(Session { config: configuration(global, ConfigLayers::new())?, format: global.format })
}

/// A driver's author has no cache; none is opened, so any directory will do.
fn without_cache(global: &Global) -> Result<Session, ConfigError> {
    let layers = ConfigLayers::new().flag("the default", ConfigOption::Dir, OsStr::new("."));
    Ok(Session { config: configuration(global, layers)?, format: global.format })
}

/// `yes`, or what stands for no.
fn yes_or(condition: bool, otherwise: &str) -> String {
    if condition { "yes".to_owned() } else { otherwise.to_owned() }
}
