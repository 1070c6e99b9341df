//! Steps that are other commands: announced, timed, and the first that fails ends the run.

use crate::{drivers, examples, paths};
use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// `cargo xtask test`: all that must hold before a change is taken.
pub fn test() -> Result<()> {
    let start = Instant::now();
    drivers::toolchain()?;
    step("Formatting", cargo(&["fmt", "--all", "--check"]))?;
    paths::check()?;
    step(
        "Lints",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    step("Documentation", doc)?;
    println!("\n=== Example drivers in other languages");
    examples::build_and_show()?;
    step("Tests", cargo(&["test", "--workspace", "--all-features", "--locked"]))?;
    println!("\nAll passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
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

fn words(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut words = vec![program.file_name().unwrap_or_default().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
