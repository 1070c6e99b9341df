//! Builds the project in `tests/standalone/` outside of the workspace, as a service would that vendors its dependencies, and runs
//! its program.

use super::published::published;
use crate::command::{cargo, step};
use crate::examples::context::{copy, empty_directory, write};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The project, and its packages.
const PROJECT: &str = "tests/standalone";
const FILES: [&str; 5] =
    ["Cargo.toml", "reader/Cargo.toml", "reader/src/main.rs", "all/Cargo.toml", "all/src/lib.rs"];

/// The program of the book's page "Embedding", and its place in the project: its readers have only the packages as well.
const QUICK_START: [&str; 2] = ["examples/src/bin/quick-start.rs", "reader/src/bin/quick-start.rs"];

/// Only the vendored crates can be used, and nothing from a network.
const CONFIGURATION: &str = "[source.crates-io]\nreplace-with = \"vendored\"\n\n\
    [source.vendored]\ndirectory = \"../vendor\"\n\n[net]\noffline = true\n";

/// Builds and runs it.
pub fn build_and_run(root: &Path, folder: &Path, sources: &Path) -> Result<()> {
    let project = folder.join("project");
    empty_directory(&project)?;
    for file in FILES {
        let to = project.join(file);
        fs::create_dir_all(to.parent().unwrap_or(&project))?;
        copy(&root.join(PROJECT).join(file), &to)?;
    }
    let [from, to] = QUICK_START.map(Path::new);
    fs::create_dir(project.join("reader/src/bin"))?;
    copy(&root.join(from), &project.join(to))?;
    fs::create_dir(project.join(".cargo"))?;
    write(&project.join(".cargo/config.toml"), CONFIGURATION.as_bytes())?;
    let outside = Outside { folder, project: &project };
    // Cargo does not compile a crate from such a folder again if its version is the same.
    let mut clean = outside.cargo(&["clean"])?;
    for name in published() {
        clean.args(["--package", name]);
    }
    step("Sources of the packages", clean)?;
    step("Smallest program from the packages", outside.cargo(&["build", "--package", "reader"])?)?;
    step("All packages", outside.cargo(&["check", "--package", "all"])?)?;
    outside.has_compiled_no_guest()?;
    let scratch = tempfile::tempdir()?;
    let mut reader = Command::new(folder.join("target/debug/reader"));
    // Nothing of the build is needed to run it, and its compiled code is not kept in the user's folder.
    reader.env_clear().env("XDG_CACHE_HOME", scratch.path().join("compiled"));
    reader.arg(scratch.path().join("cache"));
    step("Program from the packages", reader)?;
    run_quick_start(&folder.join("target/debug/quick-start"), scratch.path())?;
    println!("--- {} of {} crates are ours", published().len(), sources.read_dir()?.count());
    Ok(())
}

/// Reads a file through the cache, and then from it.
fn run_quick_start(program: &Path, scratch: &Path) -> Result<()> {
    let (file, image) = (scratch.join("disk.img"), [7; 100_000]);
    write(&file, &image)?;
    for time in ["first", "second"] {
        let mut program = Command::new(program);
        program.env_clear().env("XDG_CACHE_HOME", scratch.join("compiled"));
        let output = program.arg(scratch.join("quick-start")).arg(&file).output()?;
        if !output.status.success() || output.stdout != image {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("quick-start, the {time} time: {} bytes, {error}", output.stdout.len());
        }
    }
    println!("--- The program of the book reads through");
    Ok(())
}

struct Outside<'a> {
    folder: &'a Path,
    project: &'a Path,
}

impl Outside<'_> {
    /// Cargo in the project, with an empty home of its own.
    fn cargo(&self, arguments: &[&str]) -> Result<Command> {
        let home = self.folder.join("cargo-home");
        fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
        let mut cargo = cargo(arguments);
        cargo.current_dir(self.project).env("CARGO_HOME", home);
        cargo.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        cargo.arg("--offline").arg("--target-dir").arg(self.folder.join("target"));
        Ok(cargo)
    }

    /// A guest would be compiled below the target directory of the build.
    fn has_compiled_no_guest(&self) -> Result<()> {
        let guests = self.folder.join("target/guests");
        if guests.exists() {
            bail!("the packages compiled guests: {} exists", guests.display());
        }
        Ok(())
    }
}
