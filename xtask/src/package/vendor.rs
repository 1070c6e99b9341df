//! A folder with the sources of all crates, as `cargo vendor` makes it: ours from the packages, the others as links to the sources
//! that cargo has fetched for this workspace.

use crate::command::cargo_output;
use crate::examples::context::{empty_directory, run, write};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo requires this file in each crate. With no digests in it, it checks none.
const CHECKSUMS: (&str, &str) = (".cargo-checksum.json", "{\"files\":{}}");

/// Writes the folder.
pub fn make(folder: &Path, packages: &[PathBuf]) -> Result<()> {
    empty_directory(folder)?;
    for package in packages {
        run(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(folder))?;
        let name = package.file_stem().context("a package without a name")?;
        seal(&folder.join(name))?;
    }
    // Without a filter, also the crates of other platforms: cargo reads their manifests.
    let metadata = cargo_output(&["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value =
        serde_json::from_str(&metadata).context("the output of cargo metadata")?;
    let crates = metadata["packages"].as_array().into_iter().flatten();
    for third_party in crates.filter(|package| package["source"].is_string()) {
        let text = |key: &str| third_party[key].as_str().unwrap_or_default();
        let sources =
            Path::new(text("manifest_path")).parent().context("a crate without a folder")?;
        let to = folder.join(format!("{}-{}", text("name"), text("version")));
        fs::create_dir(&to).with_context(|| format!("making {}", to.display()))?;
        link_all(sources, &to)?;
        seal(&to)?;
    }
    Ok(())
}

fn link_all(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("reading {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        // This one is cargo's own.
        if entry.file_name() != ".cargo-ok" {
            symlink(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn seal(package: &Path) -> Result<()> {
    let (name, content) = CHECKSUMS;
    write(&package.join(name), content.as_bytes())
}
