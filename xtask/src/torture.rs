//! `cargo xtask torture`: builds the programs, and runs all of the torture.

use crate::{drivers, steps};
use anyhow::Result;

/// All parts, or those that are named.
pub fn run(parts: &[&str]) -> Result<()> {
    drivers::toolchain()?;
    // As the tests build them, so that nothing is built twice.
    let build = ["build", "--workspace", "--all-features", "--locked", "--bins"];
    steps::step("Programs", steps::cargo(&build))?;
    let mut torture = steps::cargo(&[
        "run",
        "--package",
        "image-cache-tests",
        "--all-features",
        "--locked",
        "--bin",
        "torture",
        "--",
    ]);
    torture.args(parts);
    steps::step("Torture", torture)
}
