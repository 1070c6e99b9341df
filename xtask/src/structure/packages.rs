//! Finds the packages whose sources are read.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The folder below which every package is read, and below which type names must be unique.
pub const HOST: &str = "host";

/// Further packages that are searched for cycles.
const OTHERS: [&str; 20] = [
    "bindings/c",
    "bindings/python",
    "drivers/sdk",
    "drivers/toolchain",
    "drivers/sqlite",
    "drivers/xattr",
    "drivers/gdsf",
    "drivers/s3-fifo",
    "drivers/sieve",
    "drivers/two-hit",
    "drivers/examples/cost-rs",
    "drivers/examples/expiry-rs",
    "drivers/examples/quota-rs",
    "examples",
    "tests",
    "tests/guests/faulty",
    "tests/guests/hostile",
    "tests/guests/listener",
    "tests/guests/printing",
    "xtask",
];

/// Folders that contain no packages of their own.
const SKIPPED: [&str; 5] = ["src", "tests", "examples", "benches", "target"];

/// The folders of all packages, relative to the workspace, sorted below [`HOST`].
pub fn packages(workspace: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    search(workspace, HOST, &mut found)?;
    found.sort();
    found.extend(OTHERS.map(str::to_owned));
    Ok(found)
}

/// Whether the package lies below [`HOST`].
pub fn is_in_host(package: &str) -> bool {
    Path::new(package).starts_with(HOST)
}

/// Each folder with a manifest and a `src` folder is a package.
fn search(workspace: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    let path = workspace.join(folder);
    if path.join("Cargo.toml").is_file() && path.join("src").is_dir() {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && !SKIPPED.contains(&&*name) {
            search(workspace, &format!("{folder}/{name}"), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_at_every_depth_below_host() -> Result<()> {
        let workspace = tempfile::tempdir()?;
        for folder in ["host/model/src", "host/a/b/src", "host/model/tests/x/src", "host/none/src"]
        {
            fs::create_dir_all(workspace.path().join(folder))?;
        }
        for manifest in ["host", "host/model", "host/a/b", "host/model/tests/x"] {
            fs::write(workspace.path().join(manifest).join("Cargo.toml"), "")?;
        }
        let found = packages(workspace.path())?;
        assert_eq!(found[..3], ["host/a/b", "host/model", "bindings/c"]);
        assert!(is_in_host("host/model") && is_in_host("host") && !is_in_host("hosted"));
        Ok(())
    }
}
