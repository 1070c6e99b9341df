//! Builds the built-in drivers a second time, from a copy of the sources in another folder: both must give the same bytes.

use crate::drivers::BUILT_IN;
use crate::examples::context::{copy, empty_directory};
use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::{Component, Toolchain, Workspace, build};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fails if a component differs from the one that is built in `other`.
pub fn check(
    toolchain: &Toolchain,
    workspace: &Workspace,
    components: &[Component],
    other: &Path,
) -> Result<()> {
    empty_directory(other)?;
    for path in sources(&workspace.root)? {
        let to = other.join(&path);
        fs::create_dir_all(to.parent().unwrap_or(other))?;
        copy_entry(&workspace.root.join(&path), &to)?;
    }
    let target = other.with_file_name("other-target");
    let copied = Workspace { root: other.to_owned(), target };
    let again = build(toolchain, &copied, &BUILT_IN)?;
    let differ: Vec<&str> = components
        .iter()
        .zip(&again)
        .filter(|(first, second)| first.bytes != second.bytes)
        .map(|(first, _)| first.package.as_str())
        .collect();
    if !differ.is_empty() {
        bail!(
            "built in {}, these drivers have other bytes: {}; a path or a time of the build is in them",
            other.display(),
            differ.join(", ")
        );
    }
    println!("--- The built-in drivers are the same from two folders");
    Ok(())
}

/// The files of the workspace, relative to it: those that git tracks or would track.
fn sources(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = git.output().context("git does not run")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let paths = String::from_utf8(output.stdout).context("the names of the files")?;
    let paths = paths.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(paths.filter(|path| root.join(path).symlink_metadata().is_ok()).collect())
}

/// Copies a file, or a symbolic link as such.
fn copy_entry(from: &Path, to: &Path) -> Result<()> {
    match fs::read_link(from) {
        Ok(target) => std::os::unix::fs::symlink(target, to)
            .with_context(|| format!("making the link {}", to.display())),
        Err(_) => copy(from, to),
    }
}
