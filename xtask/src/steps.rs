//! Steps that are other commands: announced and timed.

use crate::run::Run;
use crate::{drivers, examples, fuzz, paths};
use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The test program and the module of it that need servers or other languages: they skip themselves, with a message,
/// unless the run is a full one. With `cli`, cargo builds the binary that they drive.
const FULL_ONLY: [&str; 5] = ["serve", "--test", "cli", "--", "http_cache_tests"];

/// What tells them that it is.
const FULL: &str = "IMAGE_CACHE_TEST_FULL";

/// The targets of a full run: those that are built without wasmtime, which takes minutes.
const FUZZED_TARGETS: [&str; 3] = ["cache_control", "ranges", "stored_response"];

/// How long each target is fuzzed in a full run.
const FUZZED: &str = "10s";

/// `cargo xtask test`: all that must hold before a change is taken, but what [`full`] does.
pub fn test() -> Result<()> {
    drivers::toolchain()?;
    let mut run = Run::new();
    run.command("Formatting", cargo(&["fmt", "--all", "--check"]));
    run.check("Paths below the cache", paths::check);
    let mut lints = cargo(&["clippy", "--workspace", "--all-targets", "--all-features"]);
    lints.args(["--locked", "--", "-D", "warnings"]);
    run.command("Lints", lints);
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    run.command("Documentation", doc);
    run.check("Example drivers", || {
        println!("\n=== Example drivers in other languages");
        examples::build_and_show()
    });
    run.tests("Tests", tests());
    run.finish()
}

/// `cargo xtask test --full`: what `cargo xtask test` leaves out, since it needs servers, other languages, or long.
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

/// All test programs, whichever of them fail.
fn tests() -> Command {
    cargo(&["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"])
}

/// `cargo xtask guard`: what the tests do with the instructions of the hot paths, alone; or keeps what is found.
pub fn guard(save: bool) -> Result<()> {
    drivers::toolchain()?;
    // With the whole workspace, as the tests are built: other features would make other instructions.
    let mut guard = cargo(&["test", "--workspace", "--all-features", "--locked"]);
    guard.args(["--test", "instructions", "--", "--nocapture"]);
    if save {
        guard.env("IMAGE_CACHE_SAVE_INSTRUCTIONS", "1");
    }
    step("Guard", guard)
}

/// Runs one step, with its output where it belongs.
pub fn step(name: &str, mut command: Command) -> Result<()> {
    println!("\n=== {name}: {}", words(&command));
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{} does not run", command.get_program().display()))?;
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{name} failed after {seconds:.0} s ({status}): {}", words(&command));
    }
    println!("--- {name}: {seconds:.0} s");
    Ok(())
}

/// The cargo that runs this, in the workspace's directory.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// The command as one would type it.
pub fn words(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut words = vec![program.file_name().unwrap_or_default().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
