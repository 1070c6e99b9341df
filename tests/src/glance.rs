//! The real Glance and its clients, from PyPI in a virtual environment below `target/`: installed once, skipped with a message if
//! this is impossible.

mod api;

pub use api::GlanceApi;

use crate::{skip, target};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The server, its database library and its web server; and its clients.
const PACKAGES: [&str; 5] = [
    "glance==33.0.0",
    "xattr==1.3.0",
    "waitress==3.0.2",
    "python-glanceclient==4.13.0",
    "openstacksdk==4.22.0",
];

/// The Python interpreter of the environment with Glance, which is installed if it is missing; none, with a message, if that is
/// impossible.
pub fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| match installed() {
        Ok(home) => Some(home.join("bin/python")),
        Err(reason) => {
            skip(&format!("nothing is done with the real Glance: {reason}"));
            None
        }
    });
    found.clone()
}

/// A program of the environment, such as `glance`.
pub fn program(name: &str) -> Option<PathBuf> {
    Some(python()?.with_file_name(name))
}

/// The virtual environment, which is installed if it is missing.
///
/// # Errors
/// Why that is impossible.
pub fn installed() -> Result<PathBuf, Box<dyn std::error::Error>> {
    installed_with(&[])
}

/// The same with further packages.
///
/// # Errors
/// Why that is impossible.
pub fn installed_with(further: &[&str]) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let target = target()?;
    let (home, lock) = (target.join("glance"), target.join("glance.lock"));
    // One process installs, the others wait.
    let lock = File::create(lock)?;
    lock.lock()?;
    let (python, ready) = (home.join("bin/python"), home.join("ready"));
    let packages = PACKAGES.join(" ");
    let has_them = fs::read_to_string(&ready).is_ok_and(|they| they == packages);
    if !has_them || run(Command::new(&python).arg("--version")).is_err() {
        let _ = fs::remove_dir_all(&home);
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        install(&python, &PACKAGES)?;
        fs::write(&ready, packages)?;
    }
    for package in further {
        let ready = home.join(format!("ready-{package}"));
        if !ready.exists() {
            install(&python, &[package])?;
            fs::write(ready, "")?;
        }
    }
    Ok(home)
}

fn install(python: &Path, packages: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let words = packages.join(" ");
    let home = python.ancestors().nth(2).unwrap_or(python).display();
    let _ = writeln!(std::io::stderr(), "Installing {words} from PyPI into {home}");
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.args(["--retries", "1", "--timeout", "20"]).args(packages))
}

/// Runs a command; if it fails, the error is the last line of its output.
pub(crate) fn run(command: &mut Command) -> Result<(), Box<dyn std::error::Error>> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Err(said.trim().lines().last().unwrap_or("it says nothing").to_owned().into())
}

/// A file in the directory of the Glance fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/glance").join(name)
}
