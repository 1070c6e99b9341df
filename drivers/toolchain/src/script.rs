//! Functions for build scripts that embed guests.

use crate::{Component, Guest, Toolchain, Workspace, build};
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::PathBuf;

/// The inputs of every guest, in addition to its own directory.
const SHARED: [&str; 4] = ["wit", "drivers/sdk", "Cargo.toml", "Cargo.lock"];

/// Builds guests, writes each to `OUT_DIR/NAME.wasm`, where NAME is its package's name without `image-cache-driver-` or
/// `image-cache-guest-`, and returns these paths.
/// Tells cargo when to run the script again. Each guest may import only the project's own interfaces.
pub fn build_script(guests: &[Guest]) -> Result<Vec<PathBuf>> {
    let workspace = Workspace::of_this_package()?;
    let directories = guests.iter().map(|guest| guest.directory);
    for path in SHARED.into_iter().chain(directories) {
        println!("cargo::rerun-if-changed={}", workspace.root.join(path).display());
    }
    let out = PathBuf::from(
        env::var_os("OUT_DIR").context("OUT_DIR is not set: this is for build scripts")?,
    );
    let toolchain =
        Toolchain::find().context("`cargo xtask drivers` installs a toolchain for drivers")?;
    let components = build(&toolchain, &workspace, guests)?;
    let write = |component: Component| {
        let component = component.confined()?;
        let path = out.join(format!("{}.wasm", short_name(&component.package)));
        fs::write(&path, &component.bytes)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    };
    components.into_iter().map(write).collect()
}

fn short_name(package: &str) -> &str {
    let prefixes = ["image-cache-driver-", "image-cache-guest-"];
    prefixes.iter().find_map(|prefix| package.strip_prefix(prefix)).unwrap_or(package)
}
