//! `driver check`: runs the conformance suite against one driver, in a temporary directory.

mod args;
mod report;

use super::junit;
use super::lookup::texts;
use super::tried_driver::TriedDriver;
use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{Format, columns, print};
use crate::progress;
use anyhow::Context;
pub use args::{CheckArgs, grant_parser, option};
use image_cache::conformance::{CASES, Case, CaseResult, LRU_CASES, Measured};
use image_cache::{Config, Inspection, conformance, inspect};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// The result of a check.
struct CheckReport {
    driver: TriedDriver,
    inspection: Inspection,
    /// Why the driver cannot be loaded; then no case was run.
    faults: Vec<String>,
    results: Vec<CaseResult>,
    measured: Measured,
    /// Of the random sequences of calls.
    seed: u64,
    time: Duration,
}

impl CheckReport {
    fn failed(&self) -> usize {
        self.results.iter().filter(|result| result.outcome.is_err()).count()
    }

    fn passes(&self) -> bool {
        self.faults.is_empty() && self.failed() == 0
    }
}

/// A case in the output of `driver check --list`.
#[derive(Serialize)]
struct ListedCase {
    name: &'static str,
    /// Whether it is only for drivers that evict the least recently accessed image first.
    lru: bool,
}

fn list(format: Format) -> anyhow::Result<Code> {
    let listed = |lru| move |case: &Case| ListedCase { name: case.name, lru };
    let cases = CASES.iter().map(listed(false)).chain(LRU_CASES.iter().map(listed(true)));
    let cases: Vec<ListedCase> = cases.collect();
    let row =
        |case: &ListedCase| [case.name.to_owned(), if case.lru { "--lru" } else { "" }.to_owned()];
    format.print(&cases, |cases| columns(["CASE", "ONLY WITH"], cases.iter().map(row)))?;
    Ok(Code::Done)
}

pub fn check(context: &CommandContext, args: &CheckArgs) -> anyhow::Result<Code> {
    if args.list {
        return list(context.format);
    }
    let bar = progress::waiting("inspecting the driver");
    let driver = args.driver(&context.config)?;
    bar.finish_and_clear();
    driver.report_grants();
    let checked = run(driver, args)?;
    match context.format {
        Format::Junit => print(junit::document(&checked.suite()).as_bytes())?,
        format => format.print(&checked.answer(), |_| checked.table())?,
    }
    if checked.passes() {
        return Ok(Code::Done);
    }
    let name = &checked.inspection.name;
    let words = match checked.faults.as_slice() {
        [] => {
            format!("driver {name} failed {} of {} cases", checked.failed(), checked.results.len())
        }
        faults => format!("driver {name} does not load: {}", faults.join("; ")),
    };
    print_message("error", &words);
    Ok(Code::Failed)
}

/// Runs the selected cases, or else all, if the driver can be loaded.
fn run(driver: TriedDriver, args: &CheckArgs) -> anyhow::Result<CheckReport> {
    let started = Instant::now();
    let scratch = tempfile::tempdir().context("cannot create a directory to check the driver")?;
    let config = &driver.config;
    let bar = progress::waiting("compiling and loading");
    let inspection = inspect(&config.driver, config);
    let mut faults = texts(&inspection.faults);
    if faults.is_empty()
        && let Err(error) = conformance::loads(config, scratch.path())
    {
        faults = texts(error.faults());
    }
    bar.finish_and_clear();
    let all = CASES.iter().chain(if args.lru { LRU_CASES } else { &[] });
    let cases = if args.cases.is_empty() { all.collect() } else { args.cases.clone() };
    let seed = args.seed();
    let results = match faults.as_slice() {
        [] => run_all(cases, config, scratch.path(), seed),
        _ => Vec::new(),
    };
    let mut measured = Measured::default();
    results.iter().for_each(|result| measured.add(&result.measured));
    let time = started.elapsed();
    Ok(CheckReport { driver, inspection, faults, results, measured, seed, time })
}

fn run_all(cases: Vec<&Case>, config: &Config, scratch: &Path, seed: u64) -> Vec<CaseResult> {
    let bar = progress::steps(cases.len() as u64);
    let run = |case: &&Case| {
        bar.set_message(case.sentence());
        let result = case.run_with_seed(config, scratch, seed);
        bar.inc(1);
        result
    };
    let results = cases.iter().map(run).collect();
    bar.finish_and_clear();
    results
}
