//! The table of the types that may grow has exactly the types that are `#[non_exhaustive]`.

use super::{read, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The packages whose types the library exports.
const PACKAGES: [&str; 4] = ["model", "store", "engine", "cache"];

/// All source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("it is readable").path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    paths.flat_map(below).filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}

/// The name of the type that a line declares.
fn declared(line: &str) -> Option<String> {
    let line = line.trim_start();
    let rest = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum "))?;
    Some(rest.chars().take_while(|c| c.is_alphanumeric()).collect())
}

/// The types in a text that are marked, each by an attribute in the lines before it.
fn marked(text: &str) -> Vec<String> {
    let mut after_marks = text.split("#[non_exhaustive]\n");
    after_marks.next();
    after_marks.filter_map(|after| after.lines().find_map(declared)).collect()
}

/// The types in the first column of the page's table.
fn listed() -> BTreeSet<String> {
    let page = read(&root().join("docs/embedding.md"));
    let (_, section) = page.split_once("\n## What may grow\n").expect("the page has the section");
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    let columns = rows.skip(1).filter_map(|row| row.strip_prefix("| ")?.split('|').next());
    columns.flat_map(|types| types.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn the_page_lists_the_types_that_may_grow() {
    let folders = PACKAGES.map(|name| root().join("host").join(name).join("src"));
    let texts = folders.iter().flat_map(|folder| sources(folder)).map(|path| read(&path));
    let found: BTreeSet<String> = texts.flat_map(|text| marked(&text)).collect();
    let listed = listed();
    let missing: Vec<_> = found.symmetric_difference(&listed).collect();
    assert!(missing.is_empty() && found.len() > 50, "in the code or on the page only: {missing:?}");
}
