//! Checks with optional programs: if a program is not installed, its check is skipped with a message.

use crate::command::{cargo, step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::{Command, Stdio};

/// Checks licences, bans, sources and advisories of all dependencies against `deny.toml`.
pub fn deny() -> Result<()> {
    if !answers(Command::new("cargo").args(["deny", "--version"])) {
        return skip("Dependencies", "cargo-deny is not installed (cargo install cargo-deny)");
    }
    step("Dependencies", cargo(&["deny", "--all-features", "check"]))
}

/// Builds the book in `docs/`.
pub fn book() -> Result<()> {
    if !answers(Command::new("mdbook").arg("--version")) {
        return skip("Book", "mdbook is not installed (cargo install mdbook)");
    }
    let mut book = Command::new("mdbook");
    book.args(["build", "docs"]);
    step("Book", book)
}

/// `cargo xtask msrv`: compiles the workspace with the minimum Rust version.
pub fn msrv() -> Result<()> {
    let manifest: String = fs::read_to_string("Cargo.toml").context("reading Cargo.toml")?;
    let version = rust_version(&manifest).context("Cargo.toml has no rust-version")?;
    let check = ["check", "--workspace", "--all-features", "--locked"];
    let name = format!("Rust {version}");
    let in_use = Command::new("rustc").arg("--version").output().context("rustc does not run")?;
    if is_release_of(&String::from_utf8_lossy(&in_use.stdout), version) {
        return step(&name, cargo(&check));
    }
    let toolchain = format!("{version}.0");
    let mut rustc = Command::new("rustup");
    if !answers(rustc.args(["run", &toolchain, "rustc", "--version"])) {
        bail!(
            "Rust {toolchain} is not installed: rustup toolchain install {toolchain} --profile minimal"
        );
    }
    let mut older = Command::new("rustup");
    older.args(["run", &toolchain, "cargo"]).args(check).args(["--target-dir", "target/msrv"]);
    step(&name, older)
}

/// Whether `rustc --version` printed a release of this version, as in `rustc 1.95.0 (59807616e 2026-04-14)`.
fn is_release_of(printed: &str, version: &str) -> bool {
    let release = printed.split(' ').nth(1).and_then(|word| word.strip_prefix(version));
    release.is_some_and(|rest| rest.starts_with('.'))
}

/// The value of `rust-version` in a manifest.
fn rust_version(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""))?;
    line.split('"').next()
}

/// Whether a program can be run.
fn answers(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn skip(step: &str, why: &str) -> Result<()> {
    println!("\n=== {step}\nSKIPPED: {why}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_rust_version_is_read_from_the_manifest() {
        assert_eq!(rust_version("[workspace.package]\nrust-version = \"1.95\"\n"), Some("1.95"));
        assert!(is_release_of("rustc 1.95.0 (59807616e 2026-04-14)", "1.95"));
        assert!(!is_release_of("rustc 1.950.0 (59807616e 2026-04-14)", "1.95"));
        assert_eq!(rust_version("edition = \"2024\"\n"), None);
    }
}
