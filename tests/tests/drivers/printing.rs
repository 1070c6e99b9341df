//! What a guest of WASI prints, and where it traps: in the log under its name, and in the output of `driver check`, bounded.

use crate::logged::logged;
use image_cache::{CallError, Config, Driver, DriverConfig, Eviction, Grant, conformance};
use image_cache_tests::{Tested, serving};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// It prints lines and traps when it is asked for victims.
const PRINTING: &str = env!("GUEST_PRINTING");

/// What an operator sees of the first line: escapes cannot change a terminal's colours.
const FIRST_LINE: &str = r"assertion 1 failed: \u{1b}[31man image has a size";

/// The function in which it traps, and the one that called it.
const FUNCTIONS: &str = "in image_cache_guest_printing::end_without_words < ";

/// A case that asks for victims.
const CASE: &str = "victims_cover_the_bytes_needed";

/// The driver on an empty cache.
fn loaded(scratch: &TempDir, lines: u64) -> Tested<Driver> {
    let mut driver = DriverConfig::new(PRINTING);
    driver.grants.extend([Grant::Sql, Grant::Wasi]);
    driver.options.insert("lines".into(), lines.to_string());
    driver.limits.guest_time = Duration::from_secs(20);
    driver.limits.call_time = Duration::from_secs(40);
    let directory = scratch.path().join("cache");
    let config = Config::builder(directory).define_driver("printing", driver).driver("printing");
    Ok(conformance::load(&config.build()?)?)
}

/// Why a request for victims failed.
fn failure(driver: &Driver) -> Tested<String> {
    let now = SystemTime::now();
    let eviction = Eviction { now, bytes_needed: 1, exclude: &[], limit: 10, cached: None };
    match driver.select_victims(&eviction) {
        Err(CallError::Trapped(failure)) => Ok(failure.to_string()),
        other => Err(format!("it did not trap: {other:?}").into()),
    }
}

#[test]
fn a_guests_standard_error_and_the_functions_of_its_trap_reach_the_log_and_the_error() -> Tested {
    let scratch = TempDir::new()?;
    let mut words = String::new();
    let lines = logged(|| {
        words = failure(&loaded(&scratch, 1)?)?;
        Ok(())
    })?;
    assert!(words.contains(&format!("it said: {FIRST_LINE}")), "{words}");
    assert!(words.contains(FUNCTIONS), "{words}");
    let its = lines.iter().filter(|line| line.contains(FIRST_LINE)).collect::<Vec<_>>();
    assert!(its.len() == 1 && its[0].contains("WARN"), "{lines:?}");
    assert!(its[0].contains("driver=\"printing\""), "{lines:?}");
    Ok(())
}

#[test]
fn a_guest_that_prints_without_end_leaves_few_lines_in_the_log() -> Tested {
    let scratch = TempDir::new()?;
    let started = std::time::Instant::now();
    let lines = logged(|| failure(&loaded(&scratch, 5000)?).map(drop))?;
    let from_guest = lines.iter().filter(|line| line.contains("an image has a size")).count();
    let seconds = usize::try_from(started.elapsed().as_secs())? + 1;
    assert!((1..=100 * seconds).contains(&from_guest), "{from_guest} lines in {seconds} s");
    assert!(lines.iter().any(|line| line.contains("lines were left out")), "it is not told");
    Ok(())
}

#[test]
fn driver_check_shows_what_a_guest_printed_and_where_it_trapped() -> Tested {
    let mut command = Command::new(serving::binary());
    command.args(["driver", "check", PRINTING, "--case", CASE]).stdin(Stdio::null());
    let output = command.output()?;
    let (out, err) =
        (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    // Independent of the width of the columns.
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains(&format!("it said: {FIRST_LINE}")), "{out}");
    assert!(out.contains(FUNCTIONS), "{out}");
    let its = err.lines().find(|line| line.contains(FIRST_LINE)).ok_or(err.clone())?;
    assert!(its.contains("driver=\"printing\""), "{err}");
    Ok(())
}
