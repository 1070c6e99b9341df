//! The text of a note about a process: a key and a value in each line.

use super::{RunningDriver, RunningProcess, timestamp};
use image_cache_model::{printable, system_time};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::SystemTime;

/// Longest value, in bytes.
const MAX_VALUE: usize = 2048;

/// Databases of a note, at most.
const MAX_DATABASES: usize = 8;

/// The note of this process.
pub(super) fn write(driver: Option<&RunningDriver>, databases: &BTreeSet<String>) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key} {}", printable(value, MAX_VALUE));
    };
    line("process", &std::process::id().to_string());
    for database in databases {
        line("database", database);
    }
    if let Some(driver) = driver {
        line("configured", &driver.configured);
        line("name", &driver.name);
        line("own-name", &driver.own_name);
        line("version", &driver.version);
        line("sha256", &driver.sha256);
        line("since", &timestamp(driver.since).to_string());
        if let Some(why) = &driver.fallback {
            line("fallback", why);
        }
    }
    text
}

/// What a note says; `None` if it names no process. Unknown keys are ignored.
pub(super) fn parse(text: &str) -> Option<RunningProcess> {
    let mut driver = RunningDriver {
        configured: String::new(),
        name: String::new(),
        own_name: String::new(),
        version: String::new(),
        sha256: String::new(),
        since: SystemTime::UNIX_EPOCH,
        fallback: None,
    };
    let (mut process, mut databases) = (None, BTreeSet::new());
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let shown = printable(value, MAX_VALUE);
        match key {
            "process" => process = value.parse().ok(),
            "database" if databases.len() < MAX_DATABASES => drop(databases.insert(shown)),
            "configured" => driver.configured = shown,
            "name" => driver.name = shown,
            "own-name" => driver.own_name = shown,
            "version" => driver.version = shown,
            "sha256" => driver.sha256 = shown,
            "since" => driver.since = system_time(value.parse().ok()?),
            "fallback" => driver.fallback = Some(shown),
            _ => {}
        }
    }
    let driver = Some(driver).filter(|driver| !driver.name.is_empty());
    Some(RunningProcess { process: process?, driver, databases })
}
