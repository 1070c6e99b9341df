//! The command line of image-cache: parses arguments, calls the library and returns an exit code; also generates the manuals.
//!
//! A new command is a file in `commands/`, with its arguments and implementation, and a variant in `commands.rs`. The options of
//! the cache come from the table in `image_cache_model`, those of the service from `image_cache_serve::Options`.

mod cache_flags;
mod command_context;
mod commands;
mod confirm;
mod error;
mod exit;
mod global_options;
mod log_queue;
pub mod manual;
mod output;
mod output_file;
#[cfg(feature = "serve")]
mod panics;
mod program;
mod progress;

pub use program::main;
