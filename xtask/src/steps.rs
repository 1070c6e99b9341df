//! `cargo xtask test` and `guard`: the steps that a change must pass.

use crate::command::{cargo, step};
use crate::memory_dir::MemoryDir;
use crate::run::Run;
use crate::series::Series;
use crate::{
    bindings, drivers, examples, fuzz, layers, optional, package, paths, plots, python, structure,
    test_programs,
};
use anyhow::Result;
use std::process::Command;

/// The test programs, and their modules that need node, Python or valgrind, and time: they skip themselves, with a message, except
/// in a full run. With `cli`, cargo builds the binary that they run.
const FULL_ONLY: [&str; 14] = [
    "serve",
    "--test",
    "drivers",
    "--test",
    "cli",
    "--test",
    "instructions",
    "--",
    "http_cache_tests",
    "agreement",
    "lru2",
    "no_hot_path",
    "templates",
    "author",
];

/// The variable that marks a full run.
const FULL: &str = "IMAGE_CACHE_TEST_FULL";

/// The fuzz targets of a full run: those that are built without wasmtime, which takes minutes to build.
const FUZZED_TARGETS: [&str; 13] = [
    "cache_control",
    "component_imports",
    "config_ini",
    "config_toml",
    "credentials_file",
    "credentials_in_query",
    "debug_info",
    "digest_file",
    "guest_returns",
    "image_ids",
    "plain_ids",
    "ranges",
    "stored_response",
];

/// The time for each fuzz target in a full run.
const FUZZED: &str = "10s";

/// `cargo xtask test`: everything that must pass before a change is merged, except the checks of [`full`].
pub fn test() -> Result<()> {
    drivers::toolchain()?;
    let mut run = Run::new();
    run.command("Formatting", formatting());
    run.check("Paths below the cache", paths::check);
    run.check("Structure of the sources", structure::check);
    run.check("Layers of the host", layers::check);
    run.check("Bindings", || bindings::run(true));
    run.check("Dependencies", optional::deny);
    run.check("Book", optional::book);
    run.check("Example drivers", || {
        println!("\n=== Example drivers in other languages");
        examples::build_and_show()
    });
    if run.series("Build of the tests", vec![Series::new("it", vec![test_programs::build()])]) {
        let memory = MemoryDir::new().inspect_err(|error| {
            println!("The files of all tests are on disk: {error}");
        });
        match test_programs::series(memory.as_ref().ok()) {
            Ok(series) => _ = run.series("Tests", series.into()),
            Err(error) => run.check("Tests", || Err(error)),
        }
    }
    run.finish()
}

fn formatting() -> Command {
    cargo(&["fmt", "--all", "--check"])
}

fn lints() -> Command {
    let mut lints = cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    lints.args(["--locked", "--", "-D", "warnings"]);
    lints
}

fn doc() -> Command {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    doc
}

/// `cargo xtask lint`: the lints and the documentation, without the tests.
pub fn lint() -> Result<()> {
    drivers::toolchain()?;
    let mut run = Run::new();
    run.command("Formatting", formatting());
    check_lints(&mut run);
    run.finish()
}

/// Both compile all dependencies once more than the tests do, because cargo checks them separately: therefore they are part of
/// [`full`], and not of `test`.
fn check_lints(run: &mut Run) {
    run.command("Lints", lints());
    run.command("Documentation", doc());
}

/// `cargo xtask test --full`: the lints, and the tests that `cargo xtask test` omits because they need another language or much
/// time.
pub fn full() -> Result<()> {
    drivers::toolchain()?;
    let mut run = Run::new();
    run.check("Example drivers that take longer", || {
        println!("\n=== Example drivers that take longer");
        examples::build_and_show_long()
    });
    check_lints(&mut run);
    run.command("Digests without fast-md5", without_fast_md5());
    let mut tests = test_programs::all();
    tests.env(FULL, "1");
    tests.arg("--test").args(FULL_ONLY);
    run.series(
        "Tests with servers and other languages",
        vec![Series::new("the tests", vec![tests])],
    );
    run.check("Table of policies", || plots::run(true));
    run.command("C programs under valgrind", c_programs());
    run.check("Packages", package::run);
    run.check("Python package", || python::run(&[]));
    run.check("Fuzzing", || fuzz::run(&[&FUZZED_TARGETS[..], &["--for", FUZZED]].concat()));
    run.finish()
}

/// The unit tests of the digests with the MD5 of the crate `md-5`. With all features, the crate `fast-md5` replaces it.
fn without_fast_md5() -> Command {
    let mut tests = cargo(&["test", "--package", "image-cache-store", "--no-default-features"]);
    tests.args(["--locked", "--lib", "image_hasher"]);
    tests
}

fn c_programs() -> Command {
    let mut programs = test_programs::all();
    programs.env(FULL, "1").args(["--test", "c_programs"]);
    programs
}

/// `cargo xtask guard`: runs only the test of the hot paths' instruction counts; with `save` it stores the new counts.
pub fn guard(save: bool) -> Result<()> {
    drivers::toolchain()?;
    // With the whole workspace and the same options as the tests: other features would give other counts.
    let mut guard = cargo(&["test", "--workspace", "--all-features", "--locked"]);
    guard.args(["--test", "instructions", "--", "--nocapture"]).env(FULL, "1");
    if save {
        guard.env("IMAGE_CACHE_SAVE_INSTRUCTIONS", "1");
    }
    step("Guard", guard)
}
