//! `cargo xtask package`: makes the packages that are published, and builds a project outside of the workspace from them, offline
//! and without a toolchain for WebAssembly.

mod outside;
mod published;
mod reproducible;
mod vendor;

use crate::command::{cargo, step};
use crate::drivers;
use crate::examples::context::{empty_directory, write};
use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::{Component, Workspace, build, component_in};
use published::published;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder below `target/` of everything that this command makes. It is kept: compiling wasmtime takes minutes.
const FOLDER: &str = "target/standalone";

/// Makes the packages, and uses them.
pub fn run() -> Result<()> {
    println!("\n=== Packages");
    let toolchain = drivers::toolchain()?;
    let workspace = Workspace::of_this_package()?;
    let components = build(&toolchain, &workspace, &drivers::BUILT_IN)?;
    let folder = workspace.root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    reproducible::check(&toolchain, &workspace, &components, &folder.join("other-folder"))?;
    place(&workspace.root.join("host/engine"), components)?;
    let packages = make(&folder)?;
    let sources = folder.join("vendor");
    vendor::make(&sources, &packages)?;
    outside::build_and_run(&workspace.root, &folder, &sources)
}

/// Puts the built-in drivers into the engine's package.
fn place(engine: &Path, components: Vec<Component>) -> Result<()> {
    for (guest, component) in drivers::BUILT_IN.iter().zip(components) {
        let path = component_in(engine, guest);
        fs::create_dir_all(path.parent().unwrap_or(engine))?;
        write(&path, &component.confined()?.bytes)?;
    }
    Ok(())
}

/// Makes the package of each of the published ones; returns their files.
fn make(folder: &Path) -> Result<Vec<PathBuf>> {
    let made = folder.join("package");
    empty_directory(&made)?;
    // The components are not tracked by git, so that for cargo the packages have uncommitted changes. `outside` builds them all.
    let mut package = cargo(&["package", "--locked", "--allow-dirty", "--no-verify"]);
    package.arg("--target-dir").arg(folder);
    for name in published() {
        package.args(["--package", name]);
    }
    step("Packages", package)?;
    let files = fs::read_dir(&made).with_context(|| format!("reading {}", made.display()))?;
    let mut files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "crate"));
    if files.len() != published().len() {
        bail!("{} has {} packages, not {}", made.display(), files.len(), published().len());
    }
    files.sort();
    Ok(files)
}
