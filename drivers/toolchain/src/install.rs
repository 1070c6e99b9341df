//! Installs a toolchain for guests: with rustup, unless its use is disabled; otherwise Debian's packages.

use crate::find::missing_linker;
use crate::{TARGET, Toolchain};
use anyhow::{Context, Result};
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// The command if rustup may install.
pub(crate) const RUSTUP_COMMAND: &str = "rustup target add wasm32-unknown-unknown";

/// The command on Debian.
pub(crate) const DEBIAN_COMMAND: &str = "apt-get update && apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src rust-web-llvm";

/// Debian's Rust, the source of its standard library, and the linker for WebAssembly.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];

impl Toolchain {
    /// Uses an installed toolchain; if there is none, installs one, first with rustup, then from Debian's packages. Passes a
    /// message to `say` before each step. The error is that of [`Toolchain::find`], with the command to run.
    pub fn find_or_install(mut say: impl FnMut(&str)) -> Result<Toolchain> {
        if let Ok(toolchain) = Toolchain::find() {
            return Ok(toolchain);
        }
        let mut faults = Vec::new();
        for install in [by_rustup, from_debian] {
            match install(&mut say) {
                Ok(()) => {
                    if let Ok(toolchain) = Toolchain::find() {
                        return Ok(toolchain);
                    }
                }
                Err(why) => {
                    say(&why);
                    faults.push(why);
                }
            }
        }
        Toolchain::find()
            .with_context(|| format!("nothing could be installed ({})", faults.join("; ")))
    }
}

fn by_rustup(say: &mut dyn FnMut(&str)) -> Result<(), String> {
    if env::var_os("RUSTUP_AUTO_INSTALL").is_some_and(|value| value == "0") {
        return Err("rustup is forbidden to install anything (RUSTUP_AUTO_INSTALL=0)".into());
    }
    if !runs("rustup", &["--version"]) {
        return Err("there is no rustup".into());
    }
    say(&format!("Installing the Rust target {TARGET}: {RUSTUP_COMMAND}"));
    run("rustup", &["target", "add", TARGET])
}

fn from_debian(say: &mut dyn FnMut(&str)) -> Result<(), String> {
    if !Path::new("/usr/bin/apt-get").is_file() {
        return Err("there is no apt-get".into());
    }
    let before: &[&str] = if is_root() {
        &[]
    } else if runs("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Err("apt-get needs root, or sudo without a password".into());
    };
    let packages = DEBIAN_PACKAGES.join(" ");
    say(&format!(
        "Installing Debian's own Rust beside yours (170 MB to fetch, 1 GB on disk): {packages}"
    ));
    apt_get(before, &["update", "-q"])?;
    let install = ["install", "-y", "-q", "--no-install-recommends"];
    apt_get(before, &[&install[..], &DEBIAN_PACKAGES[..]].concat())?;
    if let Some(linker) = missing_linker()
        && Toolchain::find().is_err()
    {
        say(&format!("Installing the linker that it needs: {linker}"));
        apt_get(before, &[&install[..], &[&linker]].concat())?;
    }
    Ok(())
}

fn apt_get(before: &[&str], arguments: &[&str]) -> Result<(), String> {
    // Through `env`, because sudo clears the environment.
    let command =
        [before, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
    run(command[0], &command[1..])
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let named = || format!("{program} {}", arguments.join(" "));
    match Command::new(program).args(arguments).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed ({status})", named())),
        Err(error) => Err(format!("`{}` does not run: {error}", named())),
    }
}
