//! `cargo xtask torture`: builds the programs, and runs the torture tests.

use crate::command::{cargo, step};
use crate::drivers;
use anyhow::{Context, Result};
use std::env;
use std::process::Command;

/// Runs the named parts, or all parts if none is named.
pub fn run(parts: &[&str]) -> Result<()> {
    drivers::toolchain()?;
    // With the same options as the tests, so that nothing is built twice; this also builds the programs.
    let tests = ["--test", "torture", "--test", "cli"];
    let mut build = cargo(&["test", "--workspace", "--all-features", "--locked", "--no-run"]);
    build.args(tests);
    step("Programs", build)?;
    let torture = env::current_exe().context("this program's path")?.with_file_name("torture");
    let mut torture = Command::new(torture);
    torture.args(parts);
    step("Torture", torture)
}
