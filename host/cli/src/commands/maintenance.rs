//! `status` and `clean`: operators run them by hand or from timers.

use super::kept::{KeptImage, report_kept};
use crate::command_context::CommandContext;
use crate::exit::Code;
use crate::output::{count, exact_time, facts, short_time, size};
use crate::progress;
use image_cache::{CacheSize, LastFallback, RunningDriver, RunningProcess, Status};
use serde::Serialize;

/// Digits of a digest that are shown.
const SHOWN_DIGEST: usize = 12;

#[derive(Serialize)]
struct StatusFallback<'a> {
    configured: &'a str,
    reason: String,
}

#[derive(Serialize)]
struct StatusDriver<'a> {
    name: &'a str,
    version: &'a str,
    sha256: &'a str,
    fallback: Option<StatusFallback<'a>>,
}

/// Another process that has the cache open.
#[derive(Serialize)]
struct StatusProcess<'a> {
    process: u32,
    /// Null while it loads a driver.
    driver: Option<StatusRunning<'a>>,
}

#[derive(Serialize)]
struct StatusRunning<'a> {
    configured: &'a str,
    name: &'a str,
    own_name: &'a str,
    version: &'a str,
    sha256: &'a str,
    since: String,
    /// Why it replaces the configured driver.
    fallback: Option<&'a str>,
}

/// A fallback that a process made, perhaps another one.
#[derive(Serialize)]
struct StatusLastFallback<'a> {
    process: u32,
    at: String,
    configured: &'a str,
    reason: String,
}

#[derive(Serialize)]
struct StatusCached {
    images: u64,
    bytes: u64,
}

/// The output of `status`.
#[derive(Serialize)]
struct StatusAnswer<'a> {
    driver: StatusDriver<'a>,
    running: Vec<StatusProcess<'a>>,
    last_fallback: Option<StatusLastFallback<'a>>,
    cached: StatusCached,
    max_size: u64,
    queued: u64,
    incomplete: u64,
    invalid: u64,
}

#[derive(Serialize)]
struct CleanAnswer<'a> {
    incomplete: u64,
    invalid: u64,
    bytes: u64,
    kept: Vec<KeptImage<'a>>,
}

pub fn status(context: &CommandContext) -> anyhow::Result<Code> {
    let status = context.open()?.status()?;
    context.format.print(&overview(&status), |_| {
        let mut lines =
            vec![("driver", format!("{} {}", status.driver.name, status.driver.version))];
        lines.extend(fallback_line(&status));
        lines.extend(status.running.iter().map(|other| ("running", running_words(other))));
        let others = status.last_fallback.as_ref().filter(|_| status.driver.fallback.is_none());
        lines.extend(others.map(|last| ("LAST FALLBACK", fallback_words(last))));
        lines.extend([
            ("directory", context.config.dir.display().to_string()),
            (
                "cached",
                format!("{}, {}", count(status.cached.images, "image"), size(status.cached.bytes)),
            ),
            (
                "max size",
                format!("{}{}", size(status.max_size), share(status.cached, status.max_size)),
            ),
            ("queued", status.queued.to_string()),
            ("incomplete", status.incomplete.to_string()),
            ("invalid", status.invalid.to_string()),
        ]);
        lines.extend(status.warnings.iter().map(|warning| ("warning", warning.clone())));
        facts(lines)
    })?;
    Ok(Code::Done)
}

pub fn clean(context: &CommandContext) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let bar = progress::waiting("cleaning");
    // The flag --stall-time is already part of the configuration.
    let cleaned = cache.clean(None)?;
    bar.finish_and_clear();
    let (incomplete, invalid, bytes) = (cleaned.incomplete, cleaned.invalid, cleaned.bytes);
    let answer = CleanAnswer { incomplete, invalid, bytes, kept: report_kept(&cleaned.kept) };
    context.format.print(&answer, |_| {
        format!("removed {incomplete} incomplete, {invalid} invalid, {}", size(bytes))
    })?;
    Ok(Code::Done)
}

/// Why this command used sqlite. A process that runs the driver goes on with it.
fn fallback_line(status: &Status) -> Option<(&'static str, String)> {
    let fallback = status.driver.fallback.as_ref()?;
    let (configured, reason) = (&fallback.configured, &fallback.reason);
    let runs =
        |driver: &RunningDriver| driver.configured == *configured && driver.fallback.is_none();
    let elsewhere = status.running.iter().any(|other| other.driver.as_ref().is_some_and(runs));
    Some(match elsewhere {
        true => ("would not load", format!("{configured}, in this command alone: {reason}")),
        false => ("FALLBACK", format!("in place of {configured}: {reason}")),
    })
}

fn running_words(other: &RunningProcess) -> String {
    let RunningProcess { process, driver, .. } = other;
    let Some(driver) = driver else {
        return format!("in process {process}, which loads its driver");
    };
    let RunningDriver { configured, name, own_name, version, sha256, since, fallback } = driver;
    let digest: String = sha256.chars().take(SHOWN_DIGEST).collect();
    let since = short_time(*since);
    let words = format!(
        "in process {process} since {since}: {name} ({own_name} {version}, sha256 {digest}…)"
    );
    match fallback {
        Some(why) => format!("{words} in place of {configured}: {why}"),
        None => words,
    }
}

fn fallback_words(last: &LastFallback) -> String {
    format!(
        "process {} used sqlite in place of {} from {} on: {}",
        last.process,
        last.fallback.configured,
        short_time(last.at),
        last.fallback.reason
    )
}

fn overview(status: &Status) -> StatusAnswer<'_> {
    let fallback = status.driver.fallback.as_ref();
    StatusAnswer {
        driver: StatusDriver {
            name: &status.driver.name,
            version: &status.driver.version,
            sha256: &status.driver.sha256,
            fallback: fallback.map(|it| StatusFallback {
                configured: &it.configured,
                reason: it.reason.to_string(),
            }),
        },
        running: status.running.iter().map(running).collect(),
        last_fallback: status.last_fallback.as_ref().map(|last| StatusLastFallback {
            process: last.process,
            at: exact_time(last.at),
            configured: &last.fallback.configured,
            reason: last.fallback.reason.to_string(),
        }),
        cached: StatusCached { images: status.cached.images, bytes: status.cached.bytes },
        max_size: status.max_size,
        queued: status.queued,
        incomplete: status.incomplete,
        invalid: status.invalid,
    }
}

fn running(other: &RunningProcess) -> StatusProcess<'_> {
    let driver = other.driver.as_ref().map(|driver| StatusRunning {
        configured: &driver.configured,
        name: &driver.name,
        own_name: &driver.own_name,
        version: &driver.version,
        sha256: &driver.sha256,
        since: exact_time(driver.since),
        fallback: driver.fallback.as_deref(),
    });
    StatusProcess { process: other.process, driver }
}

/// How full the cache is, as a share of its maximum size.
fn share(cached: CacheSize, max_size: u64) -> String {
    match (u128::from(cached.bytes) * 100).checked_div(u128::from(max_size)) {
        Some(percent) => format!(", {percent} % used"),
        None => String::new(),
    }
}
