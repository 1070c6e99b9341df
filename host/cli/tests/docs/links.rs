//! No link is broken, each path exists, and each page is in the book.

use super::{markdown_in, pages, read, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Directories whose files the documentation names in code spans.
const FOLDERS: [&str; 10] = [
    "host/",
    "bindings/",
    "tests/",
    "drivers/",
    "xtask/",
    "wit/",
    "fuzz/",
    "dist/",
    "docs/",
    ".ci/",
];

/// The text without its code blocks.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The targets of `[text](target)`, outside of code spans.
fn links(prose: &str) -> Vec<String> {
    let without_code: String = prose.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let targets = without_code.split("](").skip(1);
    targets.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors that GitHub and mdBook create for a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The fault of a link of a page.
fn fault(root: &Path, page: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = page.parent().expect("a file is in a folder");
    let path = if file.is_empty() { page.to_owned() } else { folder.join(file) };
    if !path.exists() {
        return Some("there is no such file".to_owned());
    }
    let docs = root.join("docs");
    let is_in_book = |path: &Path| path.canonicalize().is_ok_and(|it| it.starts_with(&docs));
    if is_in_book(page) && !is_in_book(&path) {
        return Some("it leads out of the book: name the path instead".to_owned());
    }
    let is_known = anchor.is_empty() || anchors(&read(&path)).contains(anchor);
    (!is_known).then(|| format!("no heading is #{anchor}"))
}

#[test]
fn no_link_is_dead() {
    let root = root();
    let mut faults = Vec::new();
    for page in pages() {
        for target in links(&prose(&read(&page))) {
            let fault = fault(&root, &page, &target);
            faults.extend(fault.map(|fault| format!("{}: {target}: {fault}", page.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_path_in_the_documentation_exists() {
    let root = root();
    let mut faults = Vec::new();
    // The changelog names files that no longer exist.
    for page in pages().iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        let text = prose(&read(page));
        for span in text.split('`').skip(1).step_by(2) {
            // Some tables in architecture.md omit `host/`.
            let in_host = ["cache/src", "store/src", "engine/src", "serve/src", "cli/src"];
            let is_short = in_host.iter().any(|it| span.starts_with(it));
            let is_path = is_short || FOLDERS.iter().any(|it| span.starts_with(it));
            let is_plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            let is_pattern = span.contains("NAME") || span.contains("TARGET");
            let path = if is_short { root.join("host").join(span) } else { root.join(span) };
            if is_path && is_plain && !is_pattern && !path.exists() {
                faults.push(format!("{}: {span}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "these do not exist:\n{}", faults.join("\n"));
}

#[test]
fn every_page_is_in_the_book() {
    let docs = root().join("docs");
    let listed = links(&read(&docs.join("SUMMARY.md")));
    let pages = markdown_in(&docs);
    let names = pages.iter().filter_map(|page| page.file_name()?.to_str());
    let missing: Vec<_> =
        names.filter(|name| *name != "SUMMARY.md" && !listed.iter().any(|it| it == name)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
}

#[test]
fn every_hostile_driver_is_documented() {
    let root = root();
    let page = read(&root.join("docs/what-a-driver-can-do.md"));
    for folder in ["examples", "text"] {
        let folder = root.join("tests/guests/hostile").join(folder);
        for entry in fs::read_dir(folder).expect("it exists") {
            let path = entry.expect("it is readable").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("it has a name");
            assert!(page.contains(&format!("`{name}`")), "no row has {name}");
        }
    }
}
