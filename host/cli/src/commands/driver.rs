//! `driver`: commands for drivers, for operators and authors; one file for each command.

mod add;
mod build;
mod check;
mod inspect;
mod junit;
mod list;
mod lookup;
mod manifest;
mod migrate;
mod new;
mod simulate;
mod tried_driver;
mod wit;

use crate::command_context::CommandContext;
use crate::exit::Code;
use crate::global_options::GlobalOptions;
use clap::Subcommand;
use image_cache::{ConfigError, ConfigLayers, ConfigOption};
use std::ffi::OsStr;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum DriverCommand {
    /// List the built-in and the configured drivers, and whether each would load
    List,
    /// Show a driver's imports, exports, version and size, and whether it would load
    Inspect(inspect::InspectArgs),
    /// Write a complete driver into a new folder of its name, with all that it needs except a toolchain
    New(new::NewArgs),
    /// Print the contract of this host in WIT, for tools that generate bindings
    Wit {
        /// Write its files into this folder instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Compile a driver's crate, and make a component of it, with the manifest `driver.toml` if the crate has one
    Build(build::BuildArgs),
    /// Put a manifest (driver.toml) into a component
    Pack(manifest::PackArgs),
    /// Verify a component's signature, show what the driver may do, and add it to the configuration file with its digest
    Add(add::AddArgs),
    /// Move the records from one driver to another, with their hits; no other process may have the cache open
    Migrate {
        /// The driver that has the records: a built-in or configured name, or a component's path
        #[arg(long, value_name = "NAME")]
        from: String,
        /// The driver that receives them
        #[arg(long, value_name = "NAME")]
        to: String,
    },
    /// Run the conformance suite against a driver, in a directory of its own; if a case fails the exit code is 1; --format junit is available
    Check(check::CheckArgs),
    /// Replay a trace of requests through drivers, and through reference policies beside them; no cache is needed
    Simulate(simulate::SimulateArgs),
}

pub fn driver(global: &GlobalOptions, command: &DriverCommand) -> anyhow::Result<Code> {
    match command {
        DriverCommand::List => list::list(&without_cache(global)?),
        DriverCommand::Inspect(args) => inspect::inspect(&without_cache(global)?, args),
        DriverCommand::New(args) => new::new(global.format, args),
        DriverCommand::Wit { out } => wit::wit(global.format, out.as_deref()),
        DriverCommand::Build(args) => build::build(global.format, args),
        DriverCommand::Pack(args) => manifest::pack(global.format, args),
        DriverCommand::Add(args) => add::add(global, &without_cache(global)?, args),
        DriverCommand::Migrate { from, to } => {
            migrate::migrate(&CommandContext::new(global, ConfigLayers::new())?, from, to)
        }
        DriverCommand::Check(args) => check::check(&without_cache(global)?, args),
        DriverCommand::Simulate(args) => simulate::simulate(&without_cache(global)?, args),
    }
}

/// A context for commands that open no cache and need no directory.
fn without_cache(global: &GlobalOptions) -> Result<CommandContext, ConfigError> {
    let layers = ConfigLayers::new().flag("the default", ConfigOption::Dir, OsStr::new("."));
    CommandContext::new(global, layers)
}
