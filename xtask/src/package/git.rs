//! The project with a git dependency on this repository: it compiles the built-in drivers, as a checkout does.

use super::outside::run_reader;
use super::project::Project;
use crate::command::step;
use crate::examples::context::empty_directory;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the guests of this project are kept between two runs: beside the target directory, in which the packages must not compile
/// any.
const GUESTS: &str = "git-guests";

/// Builds its smallest program from the last commit, and runs it. The crates of others are the vendored ones, which are compiled
/// already.
pub fn build_and_run(root: &Path, folder: &Path, configuration: &str) -> Result<()> {
    let Some(commit) = last_commit(root) else {
        println!("SKIPPED: a git dependency: {} is not a git repository", root.display());
        return Ok(());
    };
    let home = home(folder)?;
    let project = Project::copy(root, folder, "git")?.with_home(home);
    project.configure(configuration)?;
    project.depend_on_git(&format!("file://{}", root.display()))?;
    step("Git repository", project.cargo(&["fetch"]))?;
    let (kept, guests) = (folder.join(GUESTS), project.guests());
    if kept.exists() {
        fs::rename(&kept, &guests).context("the guests of the last run")?;
    }
    project.build("Smallest program from git", &["build", "--package", "reader"])?;
    if !guests.exists() {
        bail!(
            "the build of the git dependency compiled no drivers: {} is missing",
            guests.display()
        );
    }
    put_guests_away(folder, &project)?;
    run_reader(&project, tempfile::tempdir()?.path())?;
    println!("--- A git dependency on {commit} builds its drivers");
    Ok(())
}

/// Moves the compiled guests, also those that an interrupted run has left.
pub fn put_guests_away(folder: &Path, project: &Project) -> Result<()> {
    let (kept, guests) = (folder.join(GUESTS), project.guests());
    if !guests.exists() {
        return Ok(());
    }
    if kept.exists() {
        fs::remove_dir_all(&kept).with_context(|| format!("removing {}", kept.display()))?;
    }
    fs::rename(&guests, &kept).with_context(|| format!("moving {}", guests.display()))
}

fn last_commit(root: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"]).current_dir(root);
    let output = git.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A home of cargo with an empty folder for git repositories, and the user's crates, which the nested cargo that compiles the guests
/// uses.
fn home(folder: &Path) -> Result<PathBuf> {
    let home = folder.join("git-home");
    empty_directory(&home)?;
    let user = env::var_os("CARGO_HOME").map(PathBuf::from);
    let user = user.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let registry = user.context("neither CARGO_HOME nor HOME is set")?.join("registry");
    symlink(&registry, home.join("registry"))
        .with_context(|| format!("a link to {}", registry.display()))?;
    Ok(home)
}
