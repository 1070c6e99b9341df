//! The documentation: its links are valid, and its commands work.

mod growing_types;
mod links;
mod samples;

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&package).ancestors().nth(2).expect("the package is in host/cli");
    root.canonicalize().expect("it exists")
}

/// All Markdown files in a directory.
fn markdown_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("it is readable").path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

/// The documentation: the README and the pages beside it, the book, and the manuals of the drivers.
fn pages() -> Vec<PathBuf> {
    let root = root();
    let drivers = ["drivers", "drivers/examples"].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(root.join(folder)).expect("it exists");
        let folders = entries.map(|entry| entry.expect("it is readable").path());
        folders.filter(|path| path.is_dir()).flat_map(|folder| markdown_in(&folder))
    });
    let drivers = drivers.collect();
    [markdown_in(&root), markdown_in(&root.join("docs")), drivers].concat()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
