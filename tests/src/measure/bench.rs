//! The `main` function of a benchmark: selects the measurements, and reports their rows.

use super::Row;
use super::output::{print, tell};
use super::worker::{self, Work};
use crate::{Tested, target};
use std::path::Path;
use std::process::{Command, ExitCode};
use tempfile::TempDir;

/// The name of a measurement, and its function.
pub type Measure = (&'static str, fn(&Bench) -> Tested<Vec<Row>>);

/// The variable with the directory in which the host stores compiled drivers, in `compiled/`.
const COMPILE_CACHE: &str = "CACHE_DIRECTORY";

/// The variable that names the measurement, in the process that runs it.
const MEASURE: &str = "IMAGE_CACHE_BENCH_MEASURE";

const USAGE: &str = "[NAME...] picks by a part of their names; --names lists them; --quick does less of everything, \
     for who works on them; --long adds what takes many minutes";

/// The thoroughness of a run, and the directory for its files.
pub struct Bench {
    quick: bool,
    /// Whether to measure peers that take many minutes.
    pub long: bool,
}

impl Bench {
    /// This number of rounds, or few in a quick run.
    pub fn rounds(&self, rounds: usize) -> usize {
        if self.quick { rounds.min(2) } else { rounds }
    }

    /// This number of images or bytes, or a sixteenth in a quick run.
    pub fn size(&self, size: usize) -> usize {
        if self.quick { size / 16 } else { size }
    }

    /// A directory below `target/` that is removed when this value is dropped.
    pub fn scratch(&self) -> Tested<TempDir> {
        Ok(tempfile::tempdir_in(below_target()?)?)
    }
}

/// `target/tmp`, cargo's directory for benchmarks.
fn below_target() -> Tested<std::path::PathBuf> {
    let scratch = target()?.join("tmp");
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

/// Runs the selected measurements, or a piece of work for which a measurement started this program.
pub fn main(measures: &[Measure], works: &[(&str, Work)]) -> ExitCode {
    match run(measures, works) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(measures: &[Measure], works: &[(&str, Work)]) -> Tested<ExitCode> {
    if let Some(name) = worker::asked() {
        return worker::work(&name, works).map(|()| ExitCode::SUCCESS);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, names): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    if options.contains(&"--names") {
        measures.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    let known = ["--bench", "--quick", "--long"];
    if let Some(unknown) = options.iter().find(|option| !known.contains(option)) {
        return Err(format!("unknown option {unknown}; {USAGE}").into());
    }
    let bench = Bench { quick: options.contains(&"--quick"), long: options.contains(&"--long") };
    if let Ok(one) = std::env::var(MEASURE) {
        let known = measures.iter().find(|(name, _)| *name == one);
        return measured(&bench, known.ok_or("unknown measurement")?);
    }
    let is_picked = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let picked = measures.iter().map(|(name, _)| *name).filter(|name| is_picked(name));
    // cargo sets this unless it only lists or tests.
    match options.contains(&"--bench") {
        true => each_alone(&picked.collect::<Vec<_>>(), &arguments),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Starts this program for each measurement in turn, with its own compile cache. If one fails, the others still run.
fn each_alone(picked: &[&str], arguments: &[String]) -> Tested<ExitCode> {
    let compiled = tempfile::tempdir_in(below_target()?)?;
    let mut failed = Vec::new();
    for name in picked {
        println!("\n{name}");
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).env(MEASURE, name).env(COMPILE_CACHE, compiled.path());
        if !command.status()?.success() {
            failed.push(*name);
        }
    }
    match failed.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(format!("not measured: {}", failed.join(", ")).into()),
    }
}

/// The directory of this run's compiled drivers, which is removed at the end.
pub fn compiled() -> Option<std::path::PathBuf> {
    Some(Path::new(&std::env::var_os(COMPILE_CACHE)?).join("compiled"))
}

/// Runs a measurement, prints its rows and appends them to the file of all rows.
fn measured(bench: &Bench, (name, measure): &Measure) -> Tested<ExitCode> {
    let (rows, code) = match measure(bench) {
        Ok(rows) => (rows, ExitCode::SUCCESS),
        Err(why) => {
            eprintln!("{name} FAILED: {why}");
            let missing = Row::of(name, "could not be measured", "", None);
            (vec![missing.note(&why.to_string())], ExitCode::FAILURE)
        }
    };
    print(&rows);
    tell(&rows)?;
    if bench.quick {
        println!("A quick run: these figures mean nothing.");
    }
    Ok(code)
}
