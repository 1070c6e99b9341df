//! The directories in which the example drivers are built, and helpers for their builds.

use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::{Component, Workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An example driver, and how to build its component.
pub struct Example {
    /// Its directory in `drivers/examples/`, and its component's name.
    pub name: &'static str,
    /// The source of this recipe: a change of the recipe changes the component.
    pub recipe: &'static str,
    /// Finds or installs the compiler.
    pub toolchain: fn(&BuildContext) -> Result<PathBuf>,
    /// Compiles the example with it.
    pub build: fn(&BuildContext, toolchain: &Path) -> Result<Component>,
}

/// The directories of the examples and of their builds.
pub struct BuildContext {
    /// The workspace's directory.
    pub root: PathBuf,
    /// The directory for toolchains, generated files, and components.
    pub target: PathBuf,
}

impl BuildContext {
    pub fn new() -> Result<BuildContext> {
        let workspace = Workspace::of_this_package()?;
        let target = workspace.target.join("examples");
        fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
        Ok(BuildContext { root: workspace.root, target })
    }

    pub fn source(&self, example: &str) -> PathBuf {
        self.root.join("drivers/examples").join(example)
    }
}

/// The files in a directory, sorted.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        directory.read_dir().with_context(|| format!("reading {}", directory.display()))?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut files: Vec<PathBuf> = paths?.into_iter().filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// Creates an empty directory, and removes an existing one.
pub fn empty_directory(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("removing {}", path.display()))?;
    }
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.map(drop).with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Runs a command, and shows its output only if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{program} does not run"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].concat();
    bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&words).trim())
}
