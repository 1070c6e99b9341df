//! The command line of image-cache: from arguments to library calls to an exit code, and its manuals.
//!
//! A new command is a file in `commands/`, with its arguments and what it does, and a variant in `commands.rs`. The options of
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
