//! `status` and `clean`: operators run them by hand or from timers.

use super::kept::{KeptImage, report_kept};
use crate::command_context::CommandContext;
use crate::exit::Code;
use crate::output::{count, exact_time, facts, short_time, size};
use crate::progress;
use image_cache::{CacheSize, LastFallback, Status};
use serde::Serialize;

#[derive(Serialize)]
struct StatusFallback<'a> {
    configured: &'a str,
    reason: String,
}

#[derive(Serialize)]
struct StatusDriver<'a> {
    name: &'a str,
    version: &'a str,
    fallback: Option<StatusFallback<'a>>,
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
        if let Some(fallback) = &status.driver.fallback {
            lines.push((
                "FALLBACK",
                format!("in place of {}: {}", fallback.configured, fallback.reason),
            ));
        }
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
            fallback: fallback.map(|it| StatusFallback {
                configured: &it.configured,
                reason: it.reason.to_string(),
            }),
        },
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

/// How full the cache is, as a share of its maximum size.
fn share(cached: CacheSize, max_size: u64) -> String {
    match (u128::from(cached.bytes) * 100).checked_div(u128::from(max_size)) {
        Some(percent) => format!(", {percent} % used"),
        None => String::new(),
    }
}
