//! A folder with the sources of all crates: cargo itself vendors those of others, ours come from the packages.

use super::project::Project;
use super::unpacked::Unpacked;
use crate::command::{cargo, step, words};
use crate::examples::context::{copy, empty_directory, write};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Cargo requires this file in each crate, and compares the digests in it with the files.
const CHECKSUMS: &str = ".cargo-checksum.json";

/// Runs `cargo vendor` in a project that replaces our crates by the unpacked packages, without a network. Returns the configuration
/// that it prints, with which a project uses the folder.
pub fn make(root: &Path, project: &Project, folder: &Path) -> Result<String> {
    empty_directory(folder)?;
    // What is missing is fetched here, in the versions of this workspace; the project has the same ones.
    step("Crates of others", cargo(&["fetch", "--locked"]))?;
    copy(&root.join("Cargo.lock"), &project.folder.join("Cargo.lock"))?;
    let mut vendor = cargo(&["vendor", "--offline", "--versioned-dirs"]);
    // The whole path: cargo compiles a crate again if its path in the configuration differs, even if it leads to the same folder.
    vendor.arg(folder).current_dir(&project.folder);
    println!("\n=== Vendored crates: {}", words(&vendor));
    let start = Instant::now();
    let output = vendor.stdin(Stdio::null()).output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("cargo vendor: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let vendored = folder.read_dir()?.count();
    println!("--- {vendored} crates: {:.0} s", start.elapsed().as_secs_f64());
    let configuration = String::from_utf8(output.stdout).context("the configuration")?;
    if vendored < 50 || !configuration.contains("vendored-sources") {
        bail!("cargo vendor made {vendored} crates and printed: {configuration}");
    }
    Ok(configuration)
}

/// Adds our packages, as cargo would vendor them from a registry.
pub fn add(folder: &Path, packages: &[Unpacked]) -> Result<()> {
    for package in packages {
        let to = folder.join(&package.name);
        if to.exists() {
            bail!("cargo has vendored {} from somewhere else", package.name);
        }
        package.unpack_into(folder)?;
        let mut files = Vec::new();
        list(&to, Path::new(""), &mut files)?;
        let digests = digests(&to, &files)?;
        let own = digests_of(Command::new("sha256sum").arg(&package.file))?;
        let own = own.first().context("sha256sum printed nothing")?;
        let checksums = json!({ "files": digests, "package": own.0 });
        write(&to.join(CHECKSUMS), checksums.to_string().as_bytes())?;
    }
    Ok(())
}

/// The files below a folder, relative to `base`.
fn list(base: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let folder = base.join(below);
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(base, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn digests(folder: &Path, files: &[PathBuf]) -> Result<Map<String, Value>> {
    let found = digests_of(Command::new("sha256sum").args(files).current_dir(folder))?;
    if found.len() != files.len() {
        bail!("sha256sum printed {} digests for {} files", found.len(), files.len());
    }
    Ok(found.into_iter().map(|(digest, file)| (file, Value::String(digest))).collect())
}

/// The digest and the name in each line of the output.
fn digests_of(command: &mut Command) -> Result<Vec<(String, String)>> {
    let output = command.stdin(Stdio::null()).output().context("sha256sum does not run")?;
    if !output.status.success() {
        bail!("sha256sum: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("the names of the files")?;
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    Ok(lines.map(|(digest, file)| (digest.to_owned(), file.to_owned())).collect())
}
