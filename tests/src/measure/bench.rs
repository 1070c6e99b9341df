//! A benchmark's `main`: which of its measures are run, and what becomes of their rows.

use super::Row;
use super::table::{print, tell};
use super::worker::{self, Work};
use crate::{Tested, target};
use std::path::Path;
use std::process::{Command, ExitCode};
use tempfile::TempDir;

/// A measure's name, and what it does.
pub type Measure = (&'static str, fn(&Bench) -> Tested<Vec<Row>>);

/// Where the host keeps compiled drivers: `compiled/` in this.
const COMPILE_CACHE: &str = "CACHE_DIRECTORY";

/// Names the one measure that is to be made, in the process that is to make it.
const MEASURE: &str = "IMAGE_CACHE_BENCH_MEASURE";

const USAGE: &str = "[NAME...] picks by a part of their names; --names lists them; --quick does less of everything, \
     for who works on them; --long adds what takes many minutes";

/// How thorough a run is, and where its files go.
pub struct Bench {
    quick: bool,
    /// Whether peers are waited for even where that takes many minutes.
    pub long: bool,
}

impl Bench {
    /// So many rounds, or few.
    pub fn rounds(&self, rounds: usize) -> usize {
        if self.quick { rounds.min(2) } else { rounds }
    }

    /// So many images or bytes, or a sixteenth.
    pub fn size(&self, size: usize) -> usize {
        if self.quick { size / 16 } else { size }
    }

    /// A directory below `target/` that goes with this value.
    pub fn scratch(&self) -> Tested<TempDir> {
        Ok(tempfile::tempdir_in(below_target()?)?)
    }
}

/// `target/tmp`, as cargo names it for benchmarks.
fn below_target() -> Tested<std::path::PathBuf> {
    let scratch = target()?.join("tmp");
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

/// Runs the measures that the arguments pick, or a piece of work that one of them started this program for.
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
        return measured(&bench, known.ok_or("nobody knows the measure")?);
    }
    let is_picked = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let picked = measures.iter().map(|(name, _)| *name).filter(|name| is_picked(name));
    // cargo says so where it does not only list or test.
    match options.contains(&"--bench") {
        true => each_alone(&picked.collect::<Vec<_>>(), &arguments),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Starts this program for one measure after the other, with a compile cache of its own. One that fails does not keep
/// the others from being made.
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

/// Where this run's compiled drivers are, to be removed.
pub fn compiled() -> Option<std::path::PathBuf> {
    Some(Path::new(&std::env::var_os(COMPILE_CACHE)?).join("compiled"))
}

/// Makes one, shows its rows and adds them to those of all.
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
