//! `cargo xtask docs`: writes the manuals that are generated from the options and the commands, or compares them.

use crate::command::{cargo, step};
use crate::drivers;
use anyhow::Result;

/// With this variable the test writes the manuals before it compares them.
const WRITE: &str = "IMAGE_CACHE_WRITE_DOCS";

/// Runs the test that knows the manuals; with `check` it only compares.
pub fn run(check: bool) -> Result<()> {
    drivers::toolchain()?;
    // As the tests are built, so that nothing is built twice.
    let mut docs = cargo(&["test", "--workspace", "--all-features", "--locked"]);
    docs.args(["--test", "manual"]);
    if !check {
        docs.env(WRITE, "1");
    }
    step("Manuals", docs)
}
