//! `cargo xtask package`: makes the packages that are published, and builds a project outside of the workspace from them, offline
//! and without a toolchain for WebAssembly; and from this repository as a git dependency.

mod git;
mod outside;
mod project;
mod published;
mod reproducible;
mod unpacked;
mod vendor;

use crate::command::{cargo, step};
use crate::drivers;
use crate::examples::context::{empty_directory, write};
use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::{Component, Workspace, build, component_in};
use project::Project;
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
    use_them(&workspace.root, &folder, &packages)
}

/// Builds the project outside of the workspace: with the packages as a patch, vendored, and from this repository by git.
fn use_them(root: &Path, folder: &Path, packages: &[PathBuf]) -> Result<()> {
    let unpacked = folder.join("unpacked");
    let packages = unpacked::unpack(&unpacked, packages)?;
    let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
    let patched = Project::copy(root, folder, "patched")?;
    git::put_guests_away(folder, &patched)?;
    patched.patch(&unpacked, &names)?;
    let sources = folder.join("vendor");
    let configuration = vendor::make(root, &patched, &sources)?;
    patched.configure(&configuration)?;
    outside::build_patched(&patched)?;
    vendor::add(&sources, &packages)?;
    let project = Project::copy(root, folder, "project")?;
    project.configure(&configuration)?;
    outside::build_and_run(&project)?;
    git::build_and_run(root, folder, &configuration)
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
