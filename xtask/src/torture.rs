//! `cargo xtask torture`: builds the programs, and runs all of the torture.

use crate::command::{cargo, step};
use crate::drivers;
use anyhow::{Context, Result};
use std::env;
use std::process::Command;

/// All parts, or those that are named.
pub fn run(parts: &[&str]) -> Result<()> {
    drivers::toolchain()?;
    // As the tests are built, so that nothing is built twice; the programs come with them.
    let tests = ["--test", "torture", "--test", "cli"];
    let mut build = cargo(&["test", "--workspace", "--all-features", "--locked", "--no-run"]);
    build.args(tests);
    step("Programs", build)?;
    let torture = env::current_exe().context("this program's path")?.with_file_name("torture");
    let mut torture = Command::new(torture);
    torture.args(parts);
    step("Torture", torture)
}
