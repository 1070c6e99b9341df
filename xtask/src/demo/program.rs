//! The command line on a temporary cache: each command is shown, run and timed.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::env;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary with the options of all commands of a demonstration.
pub struct Program {
    binary: PathBuf,
    options: Vec<String>,
}

/// The result of a command.
pub struct Answer {
    pub output: Output,
    pub took: Duration,
}

impl Program {
    pub fn new(binary: &Path, options: &[&str]) -> Program {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Program { binary: binary.to_owned(), options }
    }

    /// Runs a command to its end; copies `source` to its standard input.
    pub fn run(&self, arguments: &[&str], source: &mut dyn Read) -> Result<Answer> {
        let start = Instant::now();
        let mut child = self.spawn(arguments, Stdio::piped(), Stdio::piped())?;
        let mut stdin = child.stdin.take().context("standard input is a pipe")?;
        match io::copy(source, &mut stdin) {
            // The command may end without reading its whole input.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => drop(stdin),
        }
        let output = child.wait_with_output()?;
        Ok(Answer { output, took: start.elapsed() })
    }

    /// Runs a command that must succeed, and returns its JSON output. Shows its progress if standard error is a terminal.
    pub fn json(&self, arguments: &[&str]) -> Result<(Value, Duration)> {
        let start = Instant::now();
        let arguments = [arguments, &["--format", "json"]].concat();
        let output = self.spawn(&arguments, Stdio::null(), Stdio::inherit())?.wait_with_output()?;
        let took = start.elapsed();
        ensure!(output.status.success(), "{} failed ({})", arguments.join(" "), output.status);
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = serde_json::from_slice(&output.stdout);
        Ok((answer.with_context(|| format!("its output is not JSON: {text}"))?, took))
    }

    /// Starts a command, and compares its output with a file; the measured time ends when the whole output was read.
    pub fn compare(&self, arguments: &[&str], expected: &mut dyn Read) -> Result<Duration> {
        let start = Instant::now();
        let mut child = self.spawn(arguments, Stdio::null(), Stdio::inherit())?;
        let mut stdout = child.stdout.take().context("standard output is a pipe")?;
        let same = is_same(&mut stdout, expected)?;
        let took = start.elapsed();
        let status = child.wait()?;
        ensure!(
            status.success() && same,
            "the bytes differ from the image's, or it failed ({status})"
        );
        Ok(took)
    }

    fn spawn(&self, arguments: &[&str], stdin: Stdio, stderr: Stdio) -> Result<Child> {
        println!("  $ image-cache {} {}", self.options.join(" "), arguments.join(" "));
        let mut command = Command::new(&self.binary);
        let is_option = |name: &OsStr| name.to_string_lossy().starts_with("IMAGE_CACHE_");
        for (name, _) in env::vars_os().filter(|(name, _)| is_option(name)) {
            command.env_remove(name);
        }
        command.args(&self.options).args(arguments);
        let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(stderr).spawn();
        child.with_context(|| format!("{} does not run", self.binary.display()))
    }
}

/// Compares both to their end.
fn is_same(one: &mut dyn Read, other: &mut dyn Read) -> Result<bool> {
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    let mut same = true;
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(same && other.read(&mut right)? == 0);
        }
        same = same
            && other.read_exact(&mut right[..count]).is_ok()
            && left[..count] == right[..count];
    }
}
