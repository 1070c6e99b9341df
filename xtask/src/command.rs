//! Other programs as steps: announced and timed.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Runs one step. Its output goes to the terminal.
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
    // What `cargo run` tells xtask of its package: some build scripts run again when it changes, so a build by xtask
    // and one by hand would each undo the other.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether cargo sets the variable for a program of one package that it runs.
fn is_of_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// The command as one would type it.
pub fn words(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut words = vec![program.file_name().unwrap_or_default().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
