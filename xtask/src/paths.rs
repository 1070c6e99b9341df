//! A lint of this project: code that accesses files below the cache directory opens them by handle, never by path.
//!
//! The owner of the directory can replace any file with a link between two accesses. `host/store/src/directory/` has the
//! functions to open, create and rename files in it (`safe_open.rs`). The list below names each file that may use paths.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// The folder that the lint checks.
const ROOT: &str = "host";

/// Files and folders that may use paths, and why.
const ALLOWED: [(&str, &str); 15] = [
    ("cli/src/", "files that the caller names: sources, targets, crates of drivers"),
    (
        "engine/src/conformance/fixture.rs",
        "publishes files like another program, in a new temporary directory",
    ),
    ("engine/src/conformance/images.rs", "acts as another program, in a new temporary directory"),
    (
        "store/src/directory/opening.rs",
        "opens the base directory itself, once, at the configured path",
    ),
    ("store/src/process/handlers.rs", "opens /dev/null in a forked child"),
    ("store/src/directory/dir.rs", "opens a directory at a path that its callers may use"),
    (
        "store/src/directory/file_identity.rs",
        "checks whether the base directory is still at its path, and opens nothing",
    ),
    (
        "engine/src/driver/compile_cache/storage.rs",
        "opens the user's directory of compiled code, and opens everything below it by handle",
    ),
    ("engine/src/driver/testing.rs", "a component for the tests"),
    ("model/src/read_file.rs", "files that the operator names"),
    ("serve/src/admin/foreign.rs", "the machine's name, in /proc"),
    ("serve/src/request_trace.rs", "the file that the operator names for a trace"),
    ("serve/src/descriptors.rs", "the descriptors of this process, in /proc"),
    (
        "engine/src/capability/sql/",
        "SQLite opens by path; this code compares the files with handles",
    ),
    ("engine/src/capability/sql.rs", "the same"),
];

/// Calls that take a path from the process's root or working directory.
const CALLS: [&str; 32] = [
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::copy(",
    "fs::rename(",
    "fs::hard_link(",
    "fs::metadata(",
    "fs::symlink_metadata(",
    "fs::set_permissions(",
    "fs::set_times(",
    "fs::remove_file(",
    "fs::remove_dir",
    "fs::create_dir",
    "fs::read_dir(",
    "fs::read_link(",
    "fs::canonicalize(",
    "fs::exists(",
    "fs::open(",
    "fs::stat(",
    "fs::lstat(",
    "fs::chown(",
    "fs::chmod(",
    "fs::unlink(",
    "fs::mkdir(",
    "unix::fs::{chown",
    "unix::fs::symlink",
    "DirBuilder",
    "File::open(",
    "File::create",
    "File::options(",
    "ambient_authority",
    "CWD",
];

/// Methods of a path that access the file at the path.
const METHODS: [&str; 6] = [
    ".exists()",
    ".try_exists()",
    ".symlink_metadata()",
    ".read_dir()",
    ".canonicalize()",
    ".read_link()",
];

/// Methods of a path and of an open file or an entry: only those of a path are faults.
const METHODS_OF_BOTH: [&str; 4] = [".is_file()", ".is_dir()", ".is_symlink()", ".metadata()"];

/// Checks every file of the library and the service.
pub fn check() -> Result<()> {
    println!("\n=== Paths below the cache directory: {ROOT}");
    let start = Instant::now();
    let (mut files, mut faults) = (0, Vec::new());
    let root = Path::new(ROOT);
    look(root, root, &mut files, &mut faults)?;
    if !faults.is_empty() {
        bail!(
            "{} path calls in code that must open files by handle (directory/safe_open.rs, SmallFiles, read_file); \
             a file that may use paths is listed in xtask/src/paths.rs:\n{}",
            faults.len(),
            faults.join("\n")
        );
    }
    println!("--- Paths: {files} files, {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn look(root: &Path, folder: &Path, files: &mut u32, faults: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        if path.is_dir() {
            look(root, &path, files, faults)?;
        } else if name.ends_with(".rs") && !is_test(&name) && !is_allowed(&name) {
            *files += 1;
            let text = fs::read_to_string(&path).with_context(|| name.clone())?;
            faults.extend(
                calls(&text)
                    .into_iter()
                    .map(|(line, call)| format!("  {ROOT}/{name}:{line}: {call}")),
            );
        }
    }
    Ok(())
}

fn is_allowed(name: &str) -> bool {
    ALLOWED.iter().any(|(allowed, _)| {
        name == *allowed || (allowed.ends_with('/') && name.starts_with(allowed))
    })
}

/// Tests create files by path.
fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("build.rs")
}

/// The path calls in a source text, without comments and without the tests at its end: the line and the call.
fn calls(text: &str) -> Vec<(usize, String)> {
    let ours = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut found = Vec::new();
    for (number, line) in ours.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if imports_path_call(code)
            || METHODS_OF_BOTH.iter().any(|method| is_of_path(code, method))
            || CALLS.iter().any(|call| begins_word(code, call))
            || METHODS.iter().any(|method| code.contains(method))
        {
            found.push((number + 1, code.trim().to_owned()));
        }
    }
    found
}

/// Whether a line imports a function that takes a path, or the options to open one.
fn imports_path_call(code: &str) -> bool {
    let Some((_, imported)) = code.split_once("use std::fs::") else { return false };
    let names = imported.split(|c: char| !c.is_alphanumeric() && c != '_');
    let names = names.filter(|name| !name.is_empty() && *name != "self");
    names.into_iter().any(|name| name == "OpenOptions" || name.starts_with(char::is_lowercase))
}

/// Whether a method is called on something whose name says that it is a path.
fn is_of_path(code: &str, method: &str) -> bool {
    code.match_indices(method).any(|(at, _)| {
        let receiver = &code[..at];
        let is_call = receiver.ends_with(')')
            && ["path_of(", "join(", "Path::new("].iter().any(|it| receiver.contains(it));
        is_call || ["path", "path()", "folder", "dir"].iter().any(|name| receiver.ends_with(name))
    })
}

/// Whether the text contains the call, and not only as the end of a longer name, as in `beneath_fs::read(`.
fn begins_word(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_by_path_is_found_and_one_by_handle_is_not() {
        for path in [
            "let text = std::fs::read(path)?;",
            "    fs::rename(&new, path)?;",
            "use std::fs::{self, OpenOptions};",
            "let file = File::open(path)?;",
            "if path.exists() {",
            "use std::fs::read;",
            "use std::fs::{File, read_to_string};",
            "if self.path.is_file() {",
            "let found = directory.path_of(name).metadata()?;",
            "if dir.join(name).is_dir() {",
            "use std::os::unix::fs::{chown, fchown};",
            "rustix::fs::openat(CWD, path, flags, mode)?",
        ] {
            assert_eq!(calls(path).len(), 1, "{path}");
        }
        for handle in [
            "rustix::fs::renameat(&self.dir, &new, &self.dir, name)?;",
            "let stat = rustix::fs::fstat(&file)?;",
            "use cap_std::fs::{Dir, OpenOptions};",
            "use std::fs::{self, File, TryLockError};",
            "let size = file.metadata()?.len();",
            "if metadata.is_file() {",
            "// what std::fs::read(path) would do",
            "fn a() {}\n#[cfg(test)]\nmod tests { fn f() { std::fs::write(path, b\"\") } }",
        ] {
            assert_eq!(calls(handle), [], "{handle}");
        }
    }

    #[test]
    fn every_file_that_may_use_paths_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(ROOT);
        for (name, reason) in ALLOWED {
            assert!(root.join(name).exists(), "{name} ({reason}) is gone");
        }
    }

    #[test]
    fn nothing_below_the_cache_directory_is_opened_by_path() -> Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(ROOT);
        let (mut files, mut faults) = (0, Vec::new());
        look(&root, &root, &mut files, &mut faults)?;
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }
}
