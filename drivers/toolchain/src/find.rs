//! Finds the installed toolchains for guests.

use crate::TARGET;
use crate::install::{DEBIAN_COMMAND, RUSTUP_COMMAND};
use anyhow::{Result, bail};
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The minimum compiler version of the workspace, as in `rust-version`.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The linker of Debian's Rust for WebAssembly.
const DEBIAN_LINKER: &str = "/usr/bin/rust-lld";

/// A Rust toolchain that can compile guests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Toolchain {
    /// The toolchain has the standard library of the target.
    WithTarget {
        /// Its `cargo`.
        cargo: PathBuf,
        /// Its `rustc`.
        rustc: PathBuf,
    },
    /// The toolchain has the source of the standard library, which is compiled with the first guest (about a minute).
    WithSource {
        /// Its `cargo`.
        cargo: PathBuf,
        /// Its `rustc`.
        rustc: PathBuf,
        /// The linker for WebAssembly, if it is another toolchain's.
        linker: Option<PathBuf>,
    },
}

impl Toolchain {
    /// Looks for a toolchain, and installs nothing. The error lists what was checked and the command to run.
    pub fn find() -> Result<Toolchain> {
        let mut seen = Vec::new();
        match in_use().or_else(|why| {
            seen.push(why);
            debian()
        }) {
            Ok(toolchain) => Ok(toolchain),
            Err(why) => {
                seen.push(why);
                bail!(
                    "no toolchain that compiles drivers to WebAssembly was found:\n  - {}\n\
                     Run one of these:\n  {RUSTUP_COMMAND}\n  {DEBIAN_COMMAND}",
                    seen.join("\n  - ")
                )
            }
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Toolchain::WithTarget { rustc, .. } => {
                write!(f, "{} (with the target {TARGET})", rustc.display())
            }
            Toolchain::WithSource { rustc, .. } => {
                write!(f, "{} (compiling the standard library from its source)", rustc.display())
            }
        }
    }
}

/// The Rust that compiles the workspace, if it has the target.
fn in_use() -> Result<Toolchain, String> {
    let rustc = rustc_in_use();
    let Some(sysroot) = sysroot_in_use() else {
        return Err(format!("{} does not run", rustc.display()));
    };
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if !library.is_dir() {
        return Err(format!("the Rust in {} lacks the target {TARGET}", sysroot.display()));
    }
    // As absolute paths, so that a nested cargo needs neither rustup's proxies nor its variables.
    let within = |name: &str| Some(sysroot.join("bin").join(name)).filter(|path| path.is_file());
    let cargo = within("cargo")
        .or_else(|| env::var_os("CARGO").map(PathBuf::from))
        .unwrap_or_else(|| "cargo".into());
    Ok(Toolchain::WithTarget { cargo, rustc: within("rustc").unwrap_or(rustc) })
}

fn rustc_in_use() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

fn sysroot_in_use() -> Option<PathBuf> {
    answer(&rustc_in_use(), &["--print", "sysroot"]).map(PathBuf::from)
}

/// Debian's Rust, in any suitable version.
fn debian() -> Result<Toolchain, String> {
    let (cargo, rustc) = (PathBuf::from("/usr/bin/cargo"), PathBuf::from("/usr/bin/rustc"));
    for tool in [&cargo, &rustc] {
        if !tool.is_file() {
            return Err(format!("there is no {}", tool.display()));
        }
    }
    for tool in [&cargo, &rustc] {
        let version = answer(tool, &["--version"]).unwrap_or_default();
        if version_of(&version) < version_of(OLDEST) {
            return Err(format!("{} is {version:?}, older than {OLDEST}", tool.display()));
        }
    }
    let sysroot = answer(&rustc, &["--print", "sysroot"]).unwrap_or_default();
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    if !source.join("std/Cargo.toml").is_file() {
        return Err(format!(
            "{} has no source of the standard library in {}",
            rustc.display(),
            source.display()
        ));
    }
    if Path::new(DEBIAN_LINKER).is_file() || linker_in(Path::new(&sysroot)).is_some() {
        return Ok(Toolchain::WithSource { cargo, rustc, linker: None });
    }
    // Every rust-lld links WebAssembly, and rustup installs one with every toolchain.
    match sysroot_in_use().and_then(|sysroot| linker_in(&sysroot)) {
        Some(linker) => Ok(Toolchain::WithSource { cargo, rustc, linker: Some(linker) }),
        None => Err(missing_linker().map_or_else(
            || format!("{} has no linker: there is no {DEBIAN_LINKER}", rustc.display()),
            |package| {
                format!(
                    "{} has no linker: {DEBIAN_LINKER} needs the package {package}",
                    rustc.display()
                )
            },
        )),
    }
}

/// The package that Debian's rust-lld needs but only recommends: rust-lld is a link to the linker of one version of LLVM, whose
/// package has the same name (`lld-22`). None if nothing is missing, or if there is no link.
pub(crate) fn missing_linker() -> Option<String> {
    let target = Path::new(DEBIAN_LINKER).read_link().ok()?;
    let name = target.file_name()?.to_str()?;
    (!Path::new(DEBIAN_LINKER).is_file() && name.starts_with("lld-")).then(|| name.to_string())
}

/// The linker in a toolchain's library folder.
fn linker_in(sysroot: &Path) -> Option<PathBuf> {
    let triples = sysroot.join("lib/rustlib").read_dir().into_iter().flatten().flatten();
    triples.map(|triple| triple.path().join("bin/rust-lld")).find(|path| path.is_file())
}

/// The first line that a command prints, if it succeeds.
fn answer(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("LD_LIBRARY_PATH");
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_string)
}

/// Major and minor version of `1.96.0` or `rustc 1.96.0 (…)`; (0, 0) if there is none.
fn version_of(text: &str) -> (u32, u32) {
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let version = text.split_whitespace().find(is_version).unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(
            version_of("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"),
            (1, 96)
        );
        assert_eq!(version_of("cargo 1.65.0"), (1, 65));
        assert_eq!(version_of("1.95"), (1, 95));
        assert_eq!(version_of(""), (0, 0));
        assert!(version_of("cargo 1.100.0") > version_of("1.95"));
    }
}
