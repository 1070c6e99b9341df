//! `status`, `prune` and `clean`: operators run them by hand or from timers.

use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{count, facts, size};
use crate::progress;
use image_cache::{CacheSize, NotRemoved, Status};
use serde::Serialize;

#[derive(Serialize)]
struct StatusFallback<'a> {
    configured: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct StatusDriver<'a> {
    name: &'a str,
    version: &'a str,
    fallback: Option<StatusFallback<'a>>,
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
    cached: StatusCached,
    max_size: u64,
    queued: u64,
    incomplete: u64,
    invalid: u64,
}

/// An image that could not be removed.
#[derive(Serialize)]
struct KeptImage<'a> {
    image_id: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct PruneAnswer<'a> {
    images: u64,
    bytes: u64,
    kept: Vec<KeptImage<'a>>,
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

pub fn prune(context: &CommandContext) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let bar = progress::waiting("evicting");
    let pruned = cache.prune()?;
    bar.finish_and_clear();
    let answer =
        PruneAnswer { images: pruned.images, bytes: pruned.bytes, kept: report_kept(&pruned.kept) };
    context.format.print(&answer, |answer| {
        format!("evicted {}, {}", count(answer.images, "image"), size(answer.bytes))
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

/// The images that were kept; each is also reported on standard error.
fn report_kept(kept: &[NotRemoved]) -> Vec<KeptImage<'_>> {
    for NotRemoved { image_id, reason } in kept {
        print_message("note", &format!("image {image_id} is still there: {reason}"));
    }
    kept.iter()
        .map(|kept| KeptImage { image_id: kept.image_id.as_str(), reason: &kept.reason })
        .collect()
}

fn overview(status: &Status) -> StatusAnswer<'_> {
    let fallback = status.driver.fallback.as_ref();
    StatusAnswer {
        driver: StatusDriver {
            name: &status.driver.name,
            version: &status.driver.version,
            fallback: fallback
                .map(|it| StatusFallback { configured: &it.configured, reason: &it.reason }),
        },
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
