//! `cargo xtask test` and `guard`: the steps that a change must pass.

use crate::command::{cargo, step};
use crate::run::Run;
use crate::{drivers, examples, fuzz, layers, optional, paths, structure};
use anyhow::Result;
use std::process::Command;

/// The test program and the module of it that need servers or other languages: they skip themselves, with a message,
/// unless the run is a full one. With `cli`, cargo builds the binary that they drive.
const FULL_ONLY: [&str; 5] = ["serve", "--test", "cli", "--", "http_cache_tests"];

/// The variable that tells them that it is one.
const FULL: &str = "IMAGE_CACHE_TEST_FULL";

/// The targets of a full run: those that are built without wasmtime, which takes minutes.
const FUZZED_TARGETS: [&str; 12] = [
    "cache_control",
    "component_imports",
    "config_ini",
    "config_toml",
    "credentials_file",
    "credentials_in_query",
    "digest_file",
    "guest_returns",
    "image_ids",
    "plain_ids",
    "ranges",
    "stored_response",
];

/// How long each target is fuzzed in a full run.
const FUZZED: &str = "10s";

/// `cargo xtask test`: all that must hold before a change is taken, except what [`full`] checks.
pub fn test() -> Result<()> {
    drivers::toolchain()?;
    let mut run = Run::new();
    run.command("Formatting", cargo(&["fmt", "--all", "--check"]));
    run.check("Paths below the cache", paths::check);
    run.check("Structure of the sources", structure::check);
    run.check("Layers of the host", layers::check);
    let mut lints = cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    lints.args(["--locked", "--", "-D", "warnings"]);
    run.command("Lints", lints);
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    run.command("Documentation", doc);
    run.check("Dependencies", optional::deny);
    run.check("Book", optional::book);
    run.check("Example drivers", || {
        println!("\n=== Example drivers in other languages");
        examples::build_and_show()
    });
    run.tests("Tests", tests());
    run.finish()
}

/// `cargo xtask test --full`: what `cargo xtask test` leaves out because it needs servers, other languages or much time.
pub fn full() -> Result<()> {
    drivers::toolchain()?;
    let mut run = Run::new();
    let mut tests = tests();
    tests.env(FULL, "1");
    tests.arg("--test").args(FULL_ONLY);
    run.tests("Tests with servers and other languages", tests);
    run.check("Fuzzing", || fuzz::run(&[&FUZZED_TARGETS[..], &["--for", FUZZED]].concat()));
    run.finish()
}

/// All test programs; a failed one does not stop the others.
fn tests() -> Command {
    cargo(&["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"])
}

/// `cargo xtask guard`: only the test of the hot paths' instruction counts; with `save` it keeps the counts that it finds.
pub fn guard(save: bool) -> Result<()> {
    drivers::toolchain()?;
    // With the whole workspace, as the tests are built: other features would give other counts.
    let mut guard = cargo(&["test", "--workspace", "--all-features", "--locked"]);
    guard.args(["--test", "instructions", "--", "--nocapture"]);
    if save {
        guard.env("IMAGE_CACHE_SAVE_INSTRUCTIONS", "1");
    }
    step("Guard", guard)
}
