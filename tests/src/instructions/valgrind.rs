//! Finds or installs valgrind.

use crate::debian;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An installed valgrind.
#[derive(Debug, Clone)]
pub struct Valgrind {
    /// Its version, as it prints it.
    pub version: String,
}

impl Valgrind {
    /// Finds it, or installs Debian's package if that needs no password; otherwise returns the reason.
    pub fn find_or_install() -> Result<Valgrind, String> {
        if let Some(found) = Valgrind::find() {
            return Ok(found);
        }
        debian::install("valgrind")?;
        Valgrind::find().ok_or_else(|| "valgrind does not run although it was installed".into())
    }

    fn find() -> Option<Valgrind> {
        answer("valgrind", &["--version"]).map(|version| Valgrind { version })
    }

    /// A command that runs a program under one of its tools, with only the variables in `environment`: names and values are on
    /// the program's stack.
    pub fn command(&self, tool: &str, environment: &[(&str, PathBuf)]) -> Command {
        let mut command = Command::new("valgrind");
        command.env_clear().envs(environment.iter().cloned());
        // The directory of valgrind's own files; valgrind passes on no other variable of the caller.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.arg(format!("--tool={tool}")).stdin(Stdio::null());
        command
    }
}

/// The output of a program as one line, if it can be run.
pub(super) fn answer(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().next().map(str::to_owned)
}
