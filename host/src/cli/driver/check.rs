//! `driver check`: the conformance suite against one driver, in a scratch directory.

mod report;

use super::junit;
use crate::cli::args::Check;
use crate::cli::exit::{Code, Failure, note};
use crate::cli::output::{Format, print};
use crate::cli::{Session, progress};
use anyhow::Context;
use image_cache::conformance::{self, CASES, Case, CaseOutcome, CaseResult, LRU_CASES, Measured};
use image_cache::{Config, DriverConfig, Grant, Inspection, inspect};
use std::path::Path;
use std::time::{Duration, Instant};

/// What came out.
struct Checked {
    inspection: Inspection,
    granted: Vec<Grant>,
    granted_by: &'static str,
    /// What keeps the driver from loading; no case was run then.
    faults: Vec<String>,
    results: Vec<CaseResult>,
    measured: Measured,
    time: Duration,
}

impl Checked {
    fn failed(&self) -> usize {
        self.results.iter().filter(|result| result.outcome != CaseOutcome::Passed).count()
    }

    fn passes(&self) -> bool {
        self.faults.is_empty() && self.failed() == 0
    }
}

pub fn check(session: &Session, check: &Check) -> anyhow::Result<Code> {
    let candidate = Candidate::new(&session.config, check)?;
    candidate.say();
    let checked = candidate.run(check.lru)?;
    match session.format {
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
    note("error", &words);
    Ok(Code::Failed)
}

/// The driver to be checked, with a configuration that has nothing to do with any cache.
struct Candidate {
    config: Config,
    granted: Vec<Grant>,
    granted_by: &'static str,
}

impl Candidate {
    fn new(config: &Config, check: &Check) -> anyhow::Result<Candidate> {
        let found = inspect(&check.name, config);
        let mut config = config.clone();
        if found.source == "built in" {
            if !check.grants.is_empty() || !check.options.is_empty() {
                let words =
                    format!("{} is built in: it takes no --grant and no --option", found.name);
                return Err(Failure::Usage(words).into());
            }
            config.driver = found.name;
            let granted = found.grants.into_iter().collect();
            return Ok(Candidate { config, granted, granted_by: "the host" });
        }
        let configured = config.drivers.remove(&check.name);
        let granted_by = match (&configured, check.grants.is_empty()) {
            (_, false) => "--grant",
            (Some(_), true) => "the configuration",
            (None, true) => "this check",
        };
        let (name, mut driver) = match configured {
            Some(driver) => (check.name.clone(), driver),
            None => (name_of(&check.name), DriverConfig::new(&check.name)),
        };
        match granted_by {
            "--grant" => driver.grants = check.grants.iter().copied().collect(),
            "this check" => driver.grants = found.grants,
            _ => {}
        }
        driver.options.extend(check.options.iter().cloned());
        let granted = driver.grants.iter().copied().collect();
        // A name that nobody knows stays one, so that it is refused in the usual words.
        if found.sha256.is_empty() && granted_by != "the configuration" {
            config.driver = check.name.clone();
        } else {
            config.driver.clone_from(&name);
            config.drivers.insert(name, driver);
        }
        Ok(Candidate { config, granted, granted_by })
    }

    /// Nothing is granted without a word.
    fn say(&self) {
        if self.granted_by == "this check" && !self.granted.is_empty() {
            let names: Vec<String> =
                self.granted.iter().map(|grant| format!("\"{grant}\"")).collect();
            let names = names.join(", ");
            note(
                "note",
                &format!(
                    "granted what it imports, for this check alone and in a directory of its own: {names}; \
                     to be used it needs `grants = [{names}]` in its [drivers.NAME]"
                ),
            );
        }
    }

    fn run(self, lru: bool) -> anyhow::Result<Checked> {
        let started = Instant::now();
        let scratch =
            tempfile::tempdir().context("cannot make a directory to check the driver in")?;
        let Candidate { config, granted, granted_by } = self;
        let inspection = inspect(&config.driver, &config);
        let mut faults = inspection.faults.clone();
        if faults.is_empty()
            && let Err(error) = conformance::loads(&config, scratch.path())
        {
            faults = error.faults().to_vec();
        }
        let cases = CASES.iter().chain(if lru { LRU_CASES } else { &[] });
        let results = match faults.as_slice() {
            [] => run_all(cases.collect(), &config, scratch.path()),
            _ => Vec::new(),
        };
        let mut measured = Measured::default();
        results.iter().for_each(|result| measured.add(&result.measured));
        let time = started.elapsed();
        Ok(Checked { inspection, granted, granted_by, faults, results, measured, time })
    }
}

fn run_all(cases: Vec<&Case>, config: &Config, scratch: &Path) -> Vec<CaseResult> {
    let bar = progress::steps(cases.len() as u64);
    let run = |case: &&Case| {
        bar.set_message(case.sentence());
        let result = case.run(config, scratch);
        bar.inc(1);
        result
    };
    let results = cases.iter().map(run).collect();
    bar.finish_and_clear();
    results
}

/// A name for the driver in a file: the file's, as far as that may be one.
fn name_of(file: &str) -> String {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_name = stem.starts_with(|c: char| c.is_ascii_alphanumeric()) && stem.chars().all(plain);
    let built_in = ["sqlite", "xattr"].iter().any(|name| name.eq_ignore_ascii_case(stem));
    if is_name && !built_in && stem.len() <= 64 { stem.to_owned() } else { "checked".to_owned() }
}
