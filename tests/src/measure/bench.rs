//! A benchmark's `main`: which of its measures are run, and what becomes of their rows.

use super::alone::{self, Work};
use super::{Row, print, tell};
use crate::{Tested, target};
use std::path::Path;
use std::process::{Command, ExitCode};
use tempfile::TempDir;

/// A measure's name, and what it does.
pub type Measure = (&'static str, fn(&Bench) -> Tested<Vec<Row>>);

/// Where the host keeps compiled drivers: `compiled/` in this.
const COMPILE_CACHE: &str = "CACHE_DIRECTORY";

/// Set where that is one of the benchmark's own.
const INSIDE: &str = "IMAGE_CACHE_BENCH_INSIDE";

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
    if let Some(name) = alone::asked() {
        return alone::work(&name, works).map(|()| ExitCode::SUCCESS);
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
    let is_picked = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let picked: Vec<&Measure> = measures.iter().filter(|(name, _)| is_picked(name)).collect();
    // cargo says so where it does not only list or test.
    if picked.is_empty() || !options.contains(&"--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    if std::env::var_os(INSIDE).is_none() {
        return again_with_a_compile_cache(&arguments);
    }
    let bench = Bench { quick: options.contains(&"--quick"), long: options.contains(&"--long") };
    measured(&bench, &picked)
}

/// Runs this program once more, with a compile cache of its own.
fn again_with_a_compile_cache(arguments: &[String]) -> Tested<ExitCode> {
    let compiled = tempfile::tempdir_in(below_target()?)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(INSIDE, "1").env(COMPILE_CACHE, compiled.path());
    Ok(if command.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where this run's compiled drivers are, to be removed.
pub fn compiled() -> Option<std::path::PathBuf> {
    Some(Path::new(&std::env::var_os(COMPILE_CACHE)?).join("compiled"))
}

/// One that fails does not keep the others from being measured.
fn measured(bench: &Bench, picked: &[&Measure]) -> Tested<ExitCode> {
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    for (name, measure) in picked {
        println!("\n{name}");
        let rows = measure(bench).unwrap_or_else(|why| {
            failed.push(*name);
            eprintln!("{name} FAILED: {why}");
            let missing = Row::of(name, "could not be measured", "", None);
            vec![missing.note(&why.to_string())]
        });
        rows.iter().for_each(|row| println!("  {}", row.text()));
        tell(&rows)?;
        all.extend(rows);
    }
    println!();
    print(&all);
    if bench.quick {
        println!("\nA quick run: these figures mean nothing.");
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("not measured: {}", failed.join(", ")).into())
}
