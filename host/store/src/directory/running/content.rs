//! What a note says about a process, and its text: a key and a value in each line.

use image_cache_model::{printable, system_time, timestamp};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::SystemTime;

/// Longest value, in bytes.
const MAX_VALUE: usize = 2048;

/// Databases of a note, at most.
const MAX_DATABASES: usize = 8;

/// The driver that a process uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningDriver {
    /// The driver in the configuration of the process.
    pub configured: String,
    /// The name under which it was loaded: another one if it is a fallback.
    pub name: String,
    /// The driver's name for itself.
    pub own_name: String,
    /// The driver's own version.
    pub version: String,
    /// The SHA-256 of its component, in hexadecimal digits.
    pub sha256: String,
    /// When it was loaded; precise to microseconds.
    pub since: SystemTime,
    /// Why it replaces the configured driver, if it does.
    pub fallback: Option<String>,
}

/// Another process that has the cache open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningProcess {
    /// Its id, as it sees it itself.
    pub process: u32,
    /// The driver that it uses; `None` while it loads one.
    pub driver: Option<RunningDriver>,
    /// The names of the databases in `.image-cache/drivers/` that it uses.
    pub databases: BTreeSet<String>,
}

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
