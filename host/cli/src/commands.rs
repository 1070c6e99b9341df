//! The commands: one file each, with its arguments and its implementation.

mod add;
mod driver;
mod get;
mod images;
mod kept;
mod maintenance;
mod pin;
mod prune;
mod queue;
mod remove;
#[cfg(feature = "serve")]
mod serve;
mod verify;

use crate::command_context::CommandContext;
use crate::exit::Code;
use crate::global_options::GlobalOptions;
use crate::output;
use clap::Subcommand;
use image_cache::{ConfigError, ConfigLayers, ImageId};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cache an image
    Add(add::AddArgs),
    /// Write a cached image to standard output or a file
    Get(get::GetArgs),
    /// List the cached images
    List,
    /// Show one cached image
    Show {
        /// The image
        id: ImageId,
    },
    /// Manage the queue of images that are to be fetched
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Manage pins: images that are not evicted
    #[command(subcommand)]
    Pin(pin::PinCommand),
    /// Remove cached images; if one was not cached, the others are removed and the exit code is 3
    Delete(remove::RemoveArgs),
    /// Evict until the cached images have at most image_cache_max_size
    Prune(prune::PruneArgs),
    /// Show an image's place in the driver's order of eviction, and whether the next prune would evict it
    Explain {
        /// The image
        id: ImageId,
    },
    /// Remove what failed or stalled fetches left behind (--stall-time sets when a fetch is stalled)
    Clean,
    /// Read cached images from end to end and verify them; a damaged one is moved to invalid/, and the exit code is 4
    Verify(verify::VerifyArgs),
    /// Show driver, sizes and counts
    Status,
    /// Serve images over HTTP, in front of a Glance API or any server of images
    #[cfg(feature = "serve")]
    Serve(Box<image_cache_serve::Options>),
    /// Fetch the queued images from the upstream, once
    #[cfg(feature = "serve")]
    Prefetch(Box<image_cache_serve::PrefetchOptions>),
    /// Inspect, write, build, check and change drivers
    #[command(subcommand)]
    Driver(driver::DriverCommand),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the command's output can be a JUnit document.
    pub fn prints_junit(&self) -> bool {
        matches!(self, Command::Driver(driver::DriverCommand::Check(_)))
    }

    /// Runs the command; `command_line` is the whole program's, for printing completions.
    pub fn run(
        &self,
        global: &GlobalOptions,
        command_line: fn() -> clap::Command,
    ) -> anyhow::Result<Code> {
        let context = || -> Result<CommandContext, ConfigError> {
            CommandContext::new(global, ConfigLayers::new())
        };
        match self {
            Command::Add(args) => add::add(&context()?, args),
            Command::Get(args) => get::get(&context()?, args),
            Command::List => images::list(&context()?),
            Command::Show { id } => images::show(&context()?, id),
            Command::Queue(command) => queue::queue(&context()?, command),
            Command::Pin(command) => pin::pin(&context()?, command),
            Command::Delete(args) => images::delete(&context()?, args),
            Command::Prune(args) => prune::prune(&context()?, args),
            Command::Explain { id } => prune::explain(&context()?, id),
            Command::Clean => maintenance::clean(&context()?),
            Command::Verify(args) => verify::verify(&context()?, args),
            Command::Status => maintenance::status(&context()?),
            #[cfg(feature = "serve")]
            Command::Serve(options) => {
                serve::serve(&CommandContext::new(global, serve::defaults())?, options)
            }
            #[cfg(feature = "serve")]
            Command::Prefetch(options) => serve::prefetch(&context()?, options),
            Command::Driver(command) => driver::driver(global, command),
            Command::Completions { shell } => print_completions(*shell, command_line()),
        }
    }
}

fn print_completions(
    shell: clap_complete::Shell,
    mut command_line: clap::Command,
) -> anyhow::Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line, "image-cache", &mut script);
    output::print(&script)?;
    Ok(Code::Done)
}
