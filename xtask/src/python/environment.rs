//! Virtual environments of Python below `target/`.

use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, iter};

/// A virtual environment.
pub struct Environment {
    home: PathBuf,
}

impl Environment {
    /// An empty environment, which replaces an older one.
    pub fn new(home: &Path) -> Result<Environment> {
        let _ = fs::remove_dir_all(home);
        run(Command::new("python3").args(["-m", "venv"]).arg(home))?;
        Ok(Environment { home: home.to_owned() })
    }

    /// An environment with packages from PyPI, which is kept for the next run.
    pub fn kept(home: &Path, packages: &[&str]) -> Result<Environment> {
        let (stamp, words) = (home.join("ready"), packages.join(" "));
        let environment = Environment { home: home.to_owned() };
        let has_them = fs::read_to_string(&stamp).is_ok_and(|they| they == words);
        if has_them && run(environment.python().arg("--version")).is_ok() {
            return Ok(environment);
        }
        println!("Installing {words} from PyPI into {}", home.display());
        let environment = Environment::new(home)?;
        run(environment.pip().args(["--retries", "1", "--timeout", "20"]).args(packages))?;
        fs::write(&stamp, words)?;
        Ok(environment)
    }

    /// Installs a wheel, without anything else.
    pub fn install_wheel(&self, wheel: &Path) -> Result<()> {
        run(self.pip().args(["--no-deps", "--no-index", "--force-reinstall"]).arg(wheel))
    }

    /// Its interpreter, which sees no packages of the user and writes nothing beside the sources.
    pub fn python(&self) -> Command {
        let mut python = self.program("python");
        python.args(["-s", "-B"]);
        python
    }

    /// One of its programs, which finds its other programs.
    pub fn program(&self, name: &str) -> Command {
        let programs = self.home.join("bin");
        let mut program = Command::new(programs.join(name));
        program.env_remove("PYTHONPATH").env("VIRTUAL_ENV", &self.home);
        program.env("PATH", first_in_path(&programs));
        program
    }

    fn pip(&self) -> Command {
        let mut pip = self.python();
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip
    }
}

/// The variable PATH, with this folder before all others.
fn first_in_path(folder: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = iter::once(folder.to_owned()).chain(env::split_paths(&path));
    // Only a folder with a colon in its name cannot be in it.
    env::join_paths(folders).unwrap_or(path)
}

/// Runs a command; if it fails, the error is the end of its output.
fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    bail!("{}", said.trim().lines().last().unwrap_or("it says nothing"))
}
