//! A program that embeds the cache: what its process has before and after each step, and what its forked children do.

mod footprint;
mod forking;
mod kinds;
mod limits;
mod process;
mod sharing;
mod watch;

use crate::{TempCache, Tested};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Runs a scenario in this process.
///
/// # Errors
/// If there is no such scenario, or a step fails.
pub fn run(scenario: &str, driver: &str, dir: &Path) -> Tested {
    match scenario {
        "footprint" => footprint::run(dir, true),
        "footprint-without-signals" => footprint::run(dir, false),
        "footprint-of-xattr" => kinds::xattr(dir),
        "footprint-of-digests" => kinds::digests(dir),
        "footprint-of-fetch-to-end" => kinds::fetch_to_end(dir),
        "footprint-of-many-images" => kinds::many_images(dir),
        "footprint-without-kept-code" => kinds::without_kept_code(dir),
        "times" => limits::times(dir),
        "memory-of-a-small-limit" => limits::memory(dir, limits::SMALL),
        "memory-of-the-default-limit" => limits::memory(dir, limits::DEFAULT),
        "two-caches" => sharing::two_caches(dir),
        "fork-with-readers" => forking::with_readers(driver, dir),
        "fork-and-wait" => forking::and_wait(driver, dir),
        "fork-while-working" => forking::while_working(driver, dir),
        other => Err(format!("there is no scenario {other}").into()),
    }
}

/// The process of a scenario on this cache.
pub fn command(program: &str, scenario: &str, temp: &TempCache) -> Command {
    let mut command = Command::new(program);
    command.args([scenario, temp.driver()]).arg(temp.dir());
    command
}

/// Runs a scenario to its end, and returns its findings.
///
/// # Errors
/// If it fails; the error has its messages.
pub fn findings(
    program: &str,
    scenario: &str,
    temp: &TempCache,
) -> Tested<BTreeMap<String, String>> {
    findings_of(&mut command(program, scenario, temp), scenario)
}

/// The same for a command with other settings.
///
/// # Errors
/// If it fails; the error has its messages.
pub fn findings_of(command: &mut Command, scenario: &str) -> Tested<BTreeMap<String, String>> {
    let output = command.output()?;
    let said = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{scenario}: {}\n{said}\n{errors}", output.status).into());
    }
    let finding = |line: &str| {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        (name.to_owned(), value.to_owned())
    };
    Ok(said.lines().map(finding).collect())
}
