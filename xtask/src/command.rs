//! Runs other programs as steps, which are announced and timed.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Runs one step. The output goes to the terminal.
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

/// The cargo that runs this program, in the workspace's directory.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    without_package_variables(&mut command);
    command
}

/// Removes the variables about the package of xtask, which `cargo run` sets. Some build scripts run again if these change, so a build
/// by xtask and a manual build would alternately invalidate each other.
pub fn without_package_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
}

/// What cargo prints with these arguments.
pub fn cargo_output(arguments: &[&str]) -> Result<String> {
    let output = cargo(arguments).output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("cargo {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The workspace's packages, with their targets and direct dependencies.
pub fn metadata() -> Result<Value> {
    let text = cargo_output(&["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
    serde_json::from_str(&text).context("the output of cargo metadata")
}

/// Whether cargo sets this variable for a program that it runs.
fn is_of_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// The command as a user would type it.
pub fn words(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut words = vec![program.file_name().unwrap_or_default().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}
