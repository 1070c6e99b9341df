//! Builds the project outside of the workspace from the packages, and runs its programs.

use super::project::Project;
use super::published::published;
use crate::command::step;
use crate::examples::context::write;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Builds and runs it with everything from the vendored folder.
pub fn build_and_run(project: &Project) -> Result<()> {
    // Cargo does not compile a crate from such a folder again if its version is the same.
    let mut clean = vec!["clean"];
    published().into_iter().for_each(|name| clean.extend(["--package", name]));
    project.build("Sources of the packages", &clean)?;
    project.build("Smallest program from the packages", &["build", "--package", "reader"])?;
    project.build("All packages", &["check", "--package", "all"])?;
    has_compiled_no_guest(project)?;
    let scratch = tempfile::tempdir()?;
    run_reader(project, scratch.path())?;
    run_quick_start(&project.program("quick-start"), scratch.path())
}

/// Builds and runs the smallest program of a project with `[patch.crates-io]`, beside the vendored crates of others.
pub fn build_patched(project: &Project) -> Result<()> {
    project.build("Smallest program with a patch", &["build", "--package", "reader"])?;
    has_compiled_no_guest(project)?;
    run_reader(project, tempfile::tempdir()?.path())
}

/// Runs the smallest program. Nothing of the build is needed to run it, and its compiled code is not kept in the user's folder.
pub fn run_reader(project: &Project, scratch: &Path) -> Result<()> {
    let mut reader = Command::new(project.program("reader"));
    reader.env_clear().env("XDG_CACHE_HOME", scratch.join("compiled"));
    reader.arg(scratch.join("cache"));
    step("Smallest program", reader)
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

/// A guest would be compiled below the target directory of the build.
fn has_compiled_no_guest(project: &Project) -> Result<()> {
    let guests = project.guests();
    if guests.exists() {
        bail!("the packages compiled guests: {} exists", guests.display());
    }
    Ok(())
}
