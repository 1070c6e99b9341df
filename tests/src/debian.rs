//! Programs from Debian's packages, which are installed if a test or a benchmark needs them.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Installs a package, with a message; needs root, or sudo without a password.
///
/// # Errors
/// Why that is impossible, in one line.
pub fn install(package: &str) -> Result<(), String> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("{package} is missing, and no apt-get is there to install it"));
    }
    let is_root = rustix::process::geteuid().is_root();
    let before: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
    let _ = writeln!(
        io::stderr(),
        "{package} is missing: it is installed now, by apt-get (Debian's package {package})"
    );
    apt_get(before, &["update", "-q"])?;
    apt_get(before, &["install", "-y", "-q", "--no-install-recommends", package])
        .map_err(|why| format!("{why}; install it: apt-get install {package}"))
}

fn apt_get(before: &[&str], arguments: &[&str]) -> Result<(), String> {
    // Through `env`, because sudo clears the environment.
    let words = [before, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{}: {error}", words.join(" ")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.trim().lines().last().unwrap_or("it says nothing");
    Err(format!("apt-get {} failed: {last}", arguments.join(" ")))
}
