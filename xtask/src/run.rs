//! A run of several steps. Each step is announced and timed. After a failed step the others still run, and the end lists all
//! failures.

use crate::command::{self, words};
use crate::verdicts::Verdicts;
use anyhow::{Context, Result, bail};
use std::io::{self, BufRead, BufReader, Write};
use std::process::Command;
use std::thread;
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

    /// Runs several series of `cargo test` as a step: the series run at the same time, the commands of a series one after the
    /// other. All run even if some fail, and the failures in each program are listed at the end. The output of the first series is
    /// shown immediately, that of the others afterwards. Returns whether all passed.
    pub fn tests(&mut self, step: &str, series: Vec<Vec<Command>>) -> bool {
        println!("\n=== {step}");
        let start = Instant::now();
        let results: Vec<Result<(bool, Verdicts)>> = thread::scope(|scope| {
            let mut series = series.into_iter();
            let first = series.next().unwrap_or_default();
            let others: Vec<_> = series.map(|it| scope.spawn(|| watched_and_kept(it))).collect();
            let mut results: Vec<_> =
                first.into_iter().map(|command| watched(command, &mut io::stdout())).collect();
            for other in others {
                let (output, more) = other.join().expect("it does not panic");
                // The reader of our own output may have closed it.
                let _ = io::stdout().write_all(&output);
                results.extend(more);
            }
            results
        });
        let seconds = start.elapsed().as_secs_f64();
        let errors: Vec<String> = results
            .iter()
            .filter_map(|it| it.as_ref().err().map(|error| format!("{error:#}")))
            .collect();
        let failed: Vec<Verdicts> =
            results.into_iter().flatten().filter(|(passed, _)| !passed).map(|it| it.1).collect();
        let has_passed = errors.is_empty() && failed.is_empty();
        if has_passed {
            println!("--- {step}: {seconds:.0} s");
        } else {
            let parts = failed.iter().flat_map(Verdicts::failed).chain(errors).collect();
            self.fail(step, format!("failed after {seconds:.0} s"), parts);
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

/// Runs commands one after the other, and keeps their output.
fn watched_and_kept(commands: Vec<Command>) -> (Vec<u8>, Vec<Result<(bool, Verdicts)>>) {
    let mut output = Vec::new();
    let results = commands.into_iter().map(|command| watched(command, &mut output)).collect();
    (output, results)
}

/// Runs a `cargo test`, writes its output at once, and reads the failures from it.
fn watched(mut command: Command, shown: &mut impl Write) -> Result<(bool, Verdicts)> {
    let _ = writeln!(shown, "\n=== {}", words(&command));
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
        let _ = shown.write_all(&line);
        verdicts.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok((child.wait().context("the tests")?.success(), verdicts))
}
