//! A run of several steps. Each step is announced and timed. After a failed step the others still run, and the end lists all
//! failures.

use crate::command;
use crate::series::{self, Series};
use anyhow::{Result, bail};
use std::env;
use std::io;
use std::path::Path;
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

    /// Runs commands of cargo as a step; the failures in each are listed at the end. Returns whether all passed.
    pub fn series(&mut self, step: &str, series: Vec<Series>) -> bool {
        println!("\n=== {step}");
        let start = Instant::now();
        // The folder of this program exists, and is cargo's.
        let program = env::current_exe().unwrap_or_default();
        let folder = program.parent().unwrap_or(Path::new("."));
        let failed = series::run(series, folder, &mut io::stdout());
        let (seconds, has_passed) = (start.elapsed().as_secs_f64(), failed.is_empty());
        if has_passed {
            println!("--- {step}: {seconds:.0} s");
        } else {
            self.fail(step, format!("failed after {seconds:.0} s"), failed);
        }
        has_passed
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
