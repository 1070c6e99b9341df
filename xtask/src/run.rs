//! A run of several steps. Each step is announced and timed. After a failed step the others still run, and the end lists all
//! failures.

use crate::command::{self, words};
use crate::verdicts::Verdicts;
use anyhow::{Context, Result, bail};
use std::io::{self, BufRead, BufReader, Write};
use std::process::Command;
use std::time::Instant;

/// The steps so far.
pub struct Run {
    start: Instant,
    failures: Vec<Failure>,
}

/// A failed step, and its failed parts.
struct Failure {
    step: String,
    why: String,
    parts: Vec<String>,
}

impl Run {
    pub fn new() -> Run {
        Run { start: Instant::now(), failures: Vec::new() }
    }

    /// Runs a command as a step.
    pub fn command(&mut self, step: &str, program: Command) {
        self.check(step, || command::step(step, program));
    }

    /// Runs a function of this program as a step, which the function announces itself.
    pub fn check(&mut self, step: &str, work: impl FnOnce() -> Result<()>) {
        if let Err(error) = work() {
            eprintln!("error: {error:#}");
            self.fail(step, format!("{error:#}"), Vec::new());
        }
    }

    /// Runs a `cargo test` as a step: all test programs run, and the failures in each are listed at the end.
    pub fn tests(&mut self, step: &str, command: Command) {
        println!("\n=== {step}: {}", words(&command));
        let start = Instant::now();
        match watched(command) {
            Ok((true, _)) => println!("--- {step}: {:.0} s", start.elapsed().as_secs_f64()),
            Ok((false, verdicts)) => {
                let why = format!("failed after {:.0} s", start.elapsed().as_secs_f64());
                self.fail(step, why, verdicts.failed());
            }
            Err(error) => self.fail(step, format!("{error:#}"), Vec::new()),
        }
    }

    fn fail(&mut self, step: &str, why: String, parts: Vec<String>) {
        self.failures.push(Failure { step: step.to_owned(), why, parts });
    }

    /// Lists the failures; returns an error if there are any.
    pub fn finish(self) -> Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        if self.failures.is_empty() {
            println!("\nAll passed in {seconds:.0} s");
            return Ok(());
        }
        eprintln!("\n=== Failed");
        for Failure { step, why, parts } in &self.failures {
            eprintln!("{step}: {why}");
            for part in parts {
                eprintln!("  {part}");
            }
        }
        let steps: Vec<_> = self.failures.iter().map(|failure| &*failure.step).collect();
        bail!("after {seconds:.0} s, failed: {}", steps.join(", "));
    }
}

/// Runs a `cargo test`, shows its output immediately, and reads the failures from it.
fn watched(mut command: Command) -> Result<(bool, Verdicts)> {
    // Both outputs go to one pipe, because the order of the lines determines which test belongs to which program.
    let (output, input) = io::pipe().context("a pipe")?;
    command.stdout(input.try_clone().context("a pipe")?).stderr(input);
    let mut child = command.spawn().with_context(|| words(&command))?;
    // The command has the write ends of the pipe open: while they are open, reading does not end.
    drop(command);
    let (mut output, mut verdicts, mut line) =
        (BufReader::new(output), Verdicts::default(), Vec::new());
    while output.read_until(b'\n', &mut line).context("reading the output of the tests")? > 0 {
        // The reader of our own output may have closed it: the tests continue.
        let _ = io::stdout().write_all(&line);
        verdicts.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok((child.wait().context("the tests")?.success(), verdicts))
}
