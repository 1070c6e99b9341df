//! `cargo xtask c-library`: builds the C library, and installs it with its header below a prefix.

#[path = "../../bindings/c/install.rs"]
mod install;

use crate::command::{cargo, metadata, step};
use crate::drivers;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// The profile without an option.
const PROFILE: &str = "release";

/// `[PREFIX] [--profile NAME]`; without a prefix it installs below `target/c`.
pub fn run(arguments: &[&str]) -> Result<()> {
    let (prefix, profile) = match arguments {
        [] => (None, PROFILE),
        ["--profile", profile] => (None, *profile),
        [prefix] if !prefix.starts_with('-') => (Some(*prefix), PROFILE),
        [prefix, "--profile", profile] => (Some(*prefix), *profile),
        _ => bail!("arguments of c-library: [PREFIX] [--profile NAME]"),
    };
    drivers::toolchain()?;
    // With the crate type `lib` the linker could not optimise the libraries as a whole.
    let mut build = cargo(&["rustc", "--package", "image-cache-c", "--lib", "--locked"]);
    build.args(["--profile", profile, "--crate-type", "cdylib,staticlib"]);
    step("C library", build)?;
    let target = metadata()?["target_directory"].as_str().map(str::to_owned);
    let target = target.context("cargo metadata names no target directory")?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let default = Path::new(&target).join("c");
    let prefix = prefix.map_or(default, Into::into);
    install::install(&Path::new(&target).join(folder), Path::new("bindings/c"), &prefix)
        .with_context(|| format!("installing below {}", prefix.display()))?;
    println!(
        "Installed libimage_cache.so.{} and image_cache.h below {}; with PKG_CONFIG_PATH={}/lib/pkgconfig, pkg-config finds them",
        install::INTERFACE,
        prefix.display(),
        prefix.display()
    );
    Ok(())
}
