//! New drivers in every language, built by their own scripts and tools, as their authors do. This needs the toolchains and time, so
//! only a full run does it.

use super::author::Author;
use image_cache_tests::{is_full_run, skip};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SKIPPED: &str = "the template of new drivers in a language is not built";

/// The folder of Zig's package for Python, which `cargo xtask drivers` installs; none, with a message, if it is missing.
fn zig() -> Option<PathBuf> {
    let toolchains = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guests/examples");
    let folders = std::fs::read_dir(toolchains).into_iter().flatten().flatten();
    let found = folders.map(|entry| entry.path()).find(|path| path.join("ziglang").is_dir());
    if found.is_none() {
        skip("the template in c is not built: `cargo xtask drivers` installs Zig");
    }
    found
}

/// Whether all of these programs run; says which one is missing.
fn has(language: &str, programs: &[&[&str]]) -> bool {
    programs.iter().all(|program| {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        let runs = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !runs {
            skip(&format!(
                "the template in {language} is not built: `{}` fails",
                program.join(" ")
            ));
        }
        runs
    })
}

/// Creates a driver, builds it with its script in this environment, and checks it.
fn builds(language: &str, environment: &str) -> Author {
    let author = Author::new();
    let script = format!(
        "{environment}\n\
         image-cache driver new mine --language {language} && cd mine && sh build.sh\n\
         image-cache --config image-cache.toml driver check mine"
    );
    let answer = author.shell(&script);
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.text(), answer.err);
    assert!(answer.text().contains(" passed, 0 failed"), "{}", answer.text());
    author
}

/// Replaces code of the new driver, builds it again, and returns what a case found.
fn found_after_a_change(author: &Author, file: &str, from: &str, to: &str, case: &str) -> String {
    let path = author.path("mine").join(file);
    let source = std::fs::read_to_string(&path).expect("it was written");
    assert!(source.contains(from), "{from} is not in {source}");
    std::fs::write(&path, source.replace(from, to)).expect("it can be written");
    let build = author.shell("cd mine && sh build.sh");
    assert_eq!(build.code, Some(0), "{}", build.err);
    let check = author.shell(&format!(
        "cd mine && image-cache --config image-cache.toml --format json driver check mine --case {case}"
    ));
    assert_eq!(check.code, Some(1), "{}", check.err);
    // The log names the driver.
    assert!(check.err.contains("driver=\"mine\""), "{}", check.err);
    check.json()["cases"][0]["found"].as_str().expect("the case failed").to_owned()
}

#[test]
fn a_new_driver_in_python_is_built_and_shows_its_exceptions() {
    const SCRIPT: &str = include_str!("../../../../drivers/templates/python/build.sh");
    let package = SCRIPT.split_whitespace().find(|word| word.starts_with("componentize-py=="));
    let scratch = TempDir::new().expect("a temporary directory");
    let place = scratch.path().to_str().expect("a path of text");
    let pip = ["python3", "-m", "pip", "download", "--no-deps", "--dest", place];
    let pip = [&pip[..], &[package.expect("the script installs it")]].concat();
    if !is_full_run(SKIPPED) || !has("python", &[&pip]) {
        return;
    }
    let author = builds("python", "");
    let (from, to) = ("return CacheSize(*records.size())", "return CacheSize(*records.size)");
    let found = found_after_a_change(&author, "lru2.py", from, to, "images_and_bytes_are_summed");
    assert!(found.contains("TypeError: "), "{found}");
    assert!(found.contains("in Driver.get_cache_size (lru2.py:"), "{found}");
}

#[test]
fn a_new_driver_in_javascript_is_built_and_shows_its_exceptions() {
    let tools: [&[&str]; 2] =
        [&["node", "--version"], &["npm", "view", "componentize-qjs", "name"]];
    if !is_full_run(SKIPPED) || !has("js", &tools) {
        return;
    }
    let author = builds("js", "");
    let (from, to) = ("return records.size();", "return records.sizes();");
    let found = found_after_a_change(&author, "driver.js", from, to, "images_and_bytes_are_summed");
    assert!(found.contains("TypeError: not a function; in getCacheSize (driver.js:"), "{found}");
}

#[test]
fn a_new_driver_in_c_is_built() {
    let tools: [&[&str]; 2] = [&["wit-bindgen", "--version"], &["wasm-tools", "--version"]];
    if !is_full_run(SKIPPED) || !has("c", &tools) {
        return;
    }
    if let Some(zig) = zig() {
        builds("c", &format!("export PYTHONPATH='{}'", zig.display()));
    }
}

/// The tests and lints that the author of a new crate runs.
#[test]
fn a_new_crate_passes_its_tests_and_lints() {
    if !is_full_run("the template of new crates is not tested") {
        return;
    }
    let author = Author::new();
    let answer = author.shell(
        "image-cache driver new mine && cd mine\n\
         cargo test --offline --locked\n\
         cargo clippy --offline --locked --all-targets -- -D warnings",
    );
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.text(), answer.err);
    assert!(answer.text().contains("2 passed; 0 failed"), "{}", answer.text());
}
