//! The manuals, generated from the table of the cache's options and from the commands.
//!
//! `cargo xtask docs` writes them to `docs/`, and a test compares them.

mod entry;
mod man;
mod markdown;

use crate::program::Arguments;
use clap::CommandFactory;

/// `docs/configuration.md`: every option of the cache, of drivers and of the service.
pub fn configuration_page() -> String {
    markdown::page(&Arguments::command())
}

/// `docs/image-cache.1`: the man page.
pub fn man_page() -> String {
    man::page(&Arguments::command())
}
