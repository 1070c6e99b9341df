//! `status`, `prune` and `clean`: what an operator looks at and runs from cron.

use super::exit::{Code, note};
use super::output::{count, facts, size};
use super::{Session, progress};
use image_cache::{CacheSize, NotRemoved, Status};
use serde::Serialize;

#[derive(Serialize)]
struct Fallback<'a> {
    configured: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'a str,
    version: &'a str,
    fallback: Option<Fallback<'a>>,
}

#[derive(Serialize)]
struct Cached {
    images: u64,
    bytes: u64,
}

/// The answer of `status`.
#[derive(Serialize)]
struct Overview<'a> {
    driver: Driver<'a>,
    cached: Cached,
    max_size: u64,
    queued: u64,
    incomplete: u64,
    invalid: u64,
}

/// An image that was to go and is still there.
#[derive(Serialize)]
struct StillThere<'a> {
    image_id: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Pruned<'a> {
    images: u64,
    bytes: u64,
    kept: Vec<StillThere<'a>>,
}

#[derive(Serialize)]
struct Cleaned<'a> {
    incomplete: u64,
    invalid: u64,
    bytes: u64,
    kept: Vec<StillThere<'a>>,
}

pub fn status(session: &Session) -> anyhow::Result<Code> {
    let status = session.open()?.status()?;
    session.format.print(&overview(&status), |_| {
        let mut lines =
            vec![("driver", format!("{} {}", status.driver.name, status.driver.version))];
        if let Some(fallback) = &status.driver.fallback {
            lines.push((
                "FALLBACK",
                format!("in place of {}: {}", fallback.configured, fallback.reason),
            ));
        }
        lines.extend([
            ("directory", session.config.dir.display().to_string()),
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

pub fn prune(session: &Session) -> anyhow::Result<Code> {
    let cache = session.open()?;
    let bar = progress::waiting("evicting");
    let pruned = cache.prune()?;
    bar.finish_and_clear();
    let answer =
        Pruned { images: pruned.images, bytes: pruned.bytes, kept: still_there(&pruned.kept) };
    session.format.print(&answer, |answer| {
        format!("evicted {}, {}", count(answer.images, "image"), size(answer.bytes))
    })?;
    Ok(Code::Done)
}

pub fn clean(session: &Session) -> anyhow::Result<Code> {
    let cache = session.open()?;
    let bar = progress::waiting("cleaning");
    // The flag --stall-time is in the configuration already.
    let cleaned = cache.clean(None)?;
    bar.finish_and_clear();
    let (incomplete, invalid, bytes) = (cleaned.incomplete, cleaned.invalid, cleaned.bytes);
    let answer = Cleaned { incomplete, invalid, bytes, kept: still_there(&cleaned.kept) };
    session.format.print(&answer, |_| {
        format!("removed {incomplete} incomplete, {invalid} invalid, {}", size(bytes))
    })?;
    Ok(Code::Done)
}

/// What was kept, said on standard error as well.
fn still_there(kept: &[NotRemoved]) -> Vec<StillThere<'_>> {
    for NotRemoved { image_id, reason } in kept {
        note("note", &format!("image {image_id} is still there: {reason}"));
    }
    kept.iter()
        .map(|kept| StillThere { image_id: kept.image_id.as_str(), reason: &kept.reason })
        .collect()
}

fn overview(status: &Status) -> Overview<'_> {
    let fallback = status.driver.fallback.as_ref();
    Overview {
        driver: Driver {
            name: &status.driver.name,
            version: &status.driver.version,
            fallback: fallback
                .map(|it| Fallback { configured: &it.configured, reason: &it.reason }),
        },
        cached: Cached { images: status.cached.images, bytes: status.cached.bytes },
        max_size: status.max_size,
        queued: status.queued,
        incomplete: status.incomplete,
        invalid: status.invalid,
    }
}

/// How full the cache is.
fn share(cached: CacheSize, max_size: u64) -> String {
    match (u128::from(cached.bytes) * 100).checked_div(u128::from(max_size)) {
        Some(percent) => format!(", {percent} % used"),
        None => String::new(),
    }
}
