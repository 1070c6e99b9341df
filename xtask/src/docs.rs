//! `cargo xtask docs`: writes the manuals that are generated from the options and the commands, or compares them with the files.

use crate::command::{cargo, step};
use crate::drivers;
use anyhow::Result;

/// If this variable is set, the test writes the manuals before it compares them.
const WRITE: &str = "IMAGE_CACHE_WRITE_DOCS";

/// Runs the test that generates the manuals; with `check` it only compares them.
pub fn run(check: bool) -> Result<()> {
    drivers::toolchain()?;
    // With the same options as the tests, so that nothing is built twice.
    let mut docs = cargo(&["test", "--workspace", "--all-features", "--locked"]);
    docs.args(["--test", "manual"]);
    if !check {
        docs.env(WRITE, "1");
    }
    step("Manuals", docs)
}
