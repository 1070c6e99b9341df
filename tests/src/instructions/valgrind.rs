//! Valgrind: where it is, and what installs it.

use crate::debian;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The command of a valgrind that is there.
#[derive(Debug, Clone)]
pub struct Valgrind {
    /// What it says its version is.
    pub version: String,
}

impl Valgrind {
    /// Finds it, or installs Debian's package where that needs no password; else why there is none.
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

    /// A program under one of its tools, in an environment of nothing but `environment`: names and values lie on the program's stack.
    pub fn command(&self, tool: &str, environment: &[(&str, PathBuf)]) -> Command {
        let mut command = Command::new("valgrind");
        command.env_clear().envs(environment.iter().cloned());
        // Where it looks for itself; valgrind hands no other variable of the caller's on.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.arg(format!("--tool={tool}")).stdin(Stdio::null());
        command
    }
}

/// What a program answers in one line, where it runs.
pub(super) fn answer(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().next().map(str::to_owned)
}
