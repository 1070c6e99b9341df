//! The result of a check as a table, as JSON and as a JUnit suite.

use super::CheckReport;
use crate::commands::driver::junit::{Suite, TestCase};
use crate::output::{columns, count, facts, short_size};
use image_cache::conformance::{CallTimes, CaseResult};
use image_cache::{Bound, Grant, Peak};
use serde::Serialize;
use std::time::Duration;

/// The report marks a limit from this share on.
const NEAR: f64 = 0.5;

/// A case.
#[derive(Serialize)]
struct CaseAnswer<'a> {
    name: &'a str,
    passed: bool,
    expected: Option<&'a str>,
    found: Option<&'a str>,
    seconds: f64,
}

/// All calls of one export.
#[derive(Serialize)]
struct CallAnswer<'a> {
    call: &'a str,
    count: u64,
    mean_seconds: f64,
    longest_seconds: f64,
}

/// The maximum use of a limit: bytes, seconds, or a number.
#[derive(Serialize)]
struct LimitAnswer {
    limit: &'static str,
    used: f64,
    most: f64,
    share: f64,
    near: bool,
}

/// The output of `driver check`.
#[derive(Serialize)]
pub struct CheckAnswer<'a> {
    driver: &'a str,
    source: &'a str,
    description: Option<String>,
    sha256: &'a str,
    grants: Vec<&'static str>,
    granted_by: &'a str,
    faults: &'a [String],
    passed: usize,
    failed: usize,
    seed: u64,
    seconds: f64,
    cases: Vec<CaseAnswer<'a>>,
    calls: Vec<CallAnswer<'a>>,
    limits: Vec<LimitAnswer>,
}

impl CheckReport {
    pub fn answer(&self) -> CheckAnswer<'_> {
        let calls = self.measured.calls.iter().map(|(call, times)| CallAnswer {
            call,
            count: times.count,
            mean_seconds: times.mean().as_secs_f64(),
            longest_seconds: times.longest.as_secs_f64(),
        });
        CheckAnswer {
            driver: &self.inspection.name,
            source: &self.inspection.source,
            description: self.description(),
            sha256: &self.inspection.sha256,
            grants: self.driver.granted.iter().copied().map(Grant::name).collect(),
            granted_by: self.driver.granted_by,
            faults: &self.faults,
            passed: self.results.len() - self.failed(),
            failed: self.failed(),
            seed: self.seed,
            seconds: self.time.as_secs_f64(),
            cases: self.results.iter().map(case).collect(),
            calls: calls.collect(),
            limits: self.measured.peaks.iter().map(limit).collect(),
        }
    }

    pub fn table(&self) -> String {
        if !self.faults.is_empty() {
            return String::new();
        }
        let mut parts = vec![columns(["", "CASE", "TIME"], self.results.iter().map(row))];
        parts.extend(self.results.iter().filter_map(|result| failure(result, self.seed)));
        let calls = self.measured.calls.iter().map(|(call, times)| call_row(call, times));
        parts.push(columns(["CALL", "COUNT", "MEAN", "LONGEST"], calls));
        let limits = self.measured.peaks.iter().map(peak_row);
        parts.push(columns(["LIMIT", "MOST USED", "OF", "SHARE", ""], limits));
        parts.push(format!(
            "{}: {} passed, {} failed, in {:.1} s",
            self.description().unwrap_or_else(|| self.inspection.name.clone()),
            count((self.results.len() - self.failed()) as u64, "case"),
            self.failed(),
            self.time.as_secs_f64(),
        ));
        parts.join("\n\n")
    }

    /// A driver that cannot be loaded counts as a failed test: an empty suite would pass.
    pub fn suite(&self) -> Suite<'_> {
        let mut cases: Vec<TestCase<'_>> = self
            .results
            .iter()
            .map(|result| {
                let failure = result.outcome.as_ref().err().map(|failure| {
                    let all = format!(
                        "expected: {}\nfound: {}\nrepeat with: --case {} --seed {}",
                        failure.expected, failure.found, result.name, self.seed
                    );
                    (failure.to_string(), all)
                });
                TestCase { name: result.name, time: result.time, failure }
            })
            .collect();
        if !self.faults.is_empty() {
            let failure = Some(("the driver does not load".into(), self.faults.join("\n")));
            cases.push(TestCase { name: "the_driver_loads", time: self.time, failure });
        }
        Suite { name: &self.inspection.name, time: self.time, cases }
    }

    /// The driver's own name and version.
    fn description(&self) -> Option<String> {
        self.inspection.description.as_ref().map(|(name, version)| format!("{name} {version}"))
    }
}

fn case(result: &CaseResult) -> CaseAnswer<'_> {
    let failure = result.outcome.as_ref().err();
    CaseAnswer {
        name: result.name,
        passed: failure.is_none(),
        expected: failure.map(|failure| failure.expected.as_str()),
        found: failure.map(|failure| failure.found.as_str()),
        seconds: result.time.as_secs_f64(),
    }
}

fn row(result: &CaseResult) -> [String; 3] {
    let verdict = if result.outcome.is_ok() { "ok" } else { "FAILED" };
    [verdict.to_owned(), result.name.replace('_', " "), short_time(result.time)]
}

fn failure(result: &CaseResult, seed: u64) -> Option<String> {
    let failure = result.outcome.as_ref().err()?;
    Some(facts([
        ("FAILED", result.name.replace('_', " ")),
        ("  expected", failure.expected.clone()),
        ("  found", failure.found.clone()),
        ("  repeat", format!("--case {} --seed {seed}", result.name)),
    ]))
}

fn call_row(call: &str, times: &CallTimes) -> [String; 4] {
    [call.to_owned(), times.count.to_string(), short_time(times.mean()), short_time(times.longest)]
}

fn limit(peak: &Peak) -> LimitAnswer {
    let scale = if is_time(peak.bound) { 1e-6 } else { 1.0 };
    LimitAnswer {
        limit: peak.bound.name(),
        used: peak.used as f64 * scale,
        most: peak.limit as f64 * scale,
        share: peak.share(),
        near: peak.share() >= NEAR,
    }
}

fn peak_row(peak: &Peak) -> [String; 5] {
    let shown = |number: u64| match peak.bound {
        Bound::Memory | Bound::Database => short_size(number),
        bound if is_time(bound) => short_time(Duration::from_micros(number)),
        _ => number.to_string(),
    };
    let near = if peak.share() >= NEAR { "near" } else { "" };
    [
        peak.bound.name().to_owned(),
        shown(peak.used),
        shown(peak.limit),
        format!("{:.0} %", peak.share() * 100.0),
        near.to_owned(),
    ]
}

fn is_time(bound: Bound) -> bool {
    matches!(bound, Bound::GuestTime | Bound::CallTime)
}

/// A duration in a suitable unit.
fn short_time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..1e3 => format!("{micros:.1} µs"),
        ..1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}
