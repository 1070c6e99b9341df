//! The licences of the crates that are linked into the Python package.

use crate::command::cargo_output;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "image-cache-python";

/// How the names of files with a licence begin, in upper case.
const FILES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];

/// Writes the licence texts of all linked crates from registries into a file: each text once, after the crates that have it.
pub fn write(path: &Path) -> Result<()> {
    let tree = ["tree", "--package", PACKAGE, "--edges", "normal", "--prefix", "none", "--locked"];
    let tree = cargo_output(&[&tree[..], &["--format", "{p}"]].concat())?;
    let linked: BTreeSet<&str> = tree.lines().filter_map(name_and_version).collect();
    let metadata = cargo_output(&["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value =
        serde_json::from_str(&metadata).context("the output of cargo metadata")?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} v{}", text("name"), text("version"));
        if package["source"].is_null() || !linked.contains(name.as_str()) {
            continue;
        }
        let folder = PathBuf::from(text("manifest_path"));
        for found in license_texts(folder.parent().unwrap_or(Path::new(".")))? {
            let title = format!("{name} ({})", text("license"));
            texts.entry(found).or_default().push(title);
        }
    }
    let mut written = String::from("The licences of the libraries that this package contains.\n");
    for (text, mut crates) in texts {
        crates.sort();
        let line = "=".repeat(80);
        written.push_str(&format!("\n{line}\n{}\n{line}\n\n{text}\n", crates.join("\n")));
    }
    fs::write(path, written).with_context(|| format!("writing {}", path.display()))
}

/// `name v1.2.3` of a line of the tree, which may continue with a path or `(*)`.
fn name_and_version(line: &str) -> Option<&str> {
    let second = line.match_indices(' ').nth(1).map_or(line.len(), |(at, _)| at);
    line.get(..second).filter(|words| words.contains(" v"))
}

/// The texts of the licence files in a crate's folder.
fn license_texts(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.path().is_file() && FILES.iter().any(|start| name.starts_with(start)) {
            files.push(entry.path());
        }
    }
    files.sort();
    let texts: Vec<String> = files.iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
    if texts.is_empty() {
        return Ok(vec!["These crates contain no text of their licence.".to_owned()]);
    }
    Ok(texts.iter().map(|text| text.trim_end().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_has_a_name_and_a_version() {
        assert_eq!(name_and_version("libc v0.2.170"), Some("libc v0.2.170"));
        assert_eq!(name_and_version("a v0.1.0 (/path) (*)"), Some("a v0.1.0"));
        assert_eq!(
            name_and_version("thiserror-impl v2.0.18 (proc-macro)"),
            Some("thiserror-impl v2.0.18")
        );
        assert_eq!(name_and_version(""), None);
    }
}
