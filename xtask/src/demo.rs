//! `cargo xtask demo`: finds a real image, and runs the demonstration on it.
use anyhow::Result;
use std::path::PathBuf;

/// d
pub fn run(_file: Option<PathBuf>) -> Result<()> {
    Ok(())
}
