//! `prune`: evicts, or shows what would be evicted. `explain`: why an image would stay or go.

use super::images::{image_record, not_cached};
use super::kept::{KeptImage, report_kept};
use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{columns, count, facts, short_size, size};
use crate::progress;
use clap::Args;
use image_cache::{EvictionCause, Explanation, ImageId, PlannedEviction};
use serde::Serialize;

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Show which images would be evicted, in order and with the reason, and evict none
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct PruneAnswer<'a> {
    images: u64,
    bytes: u64,
    kept: Vec<KeptImage<'a>>,
}

/// An image that would be evicted.
#[derive(Serialize)]
struct PlannedAnswer<'a> {
    image_id: &'a str,
    size: u64,
    cause: &'static str,
}

/// The output of `prune --dry-run`.
#[derive(Serialize)]
struct PlanAnswer<'a> {
    driver: &'a str,
    images: u64,
    bytes: u64,
    evictions: Vec<PlannedAnswer<'a>>,
}

pub fn prune(context: &CommandContext, args: &PruneArgs) -> anyhow::Result<Code> {
    if args.dry_run {
        return plan(context);
    }
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

fn plan(context: &CommandContext) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let bar = progress::waiting("asking the driver");
    let plan = cache.plan_prune()?;
    bar.finish_and_clear();
    let driver = cache.driver().name;
    let answer = PlanAnswer {
        driver: &driver,
        images: plan.len() as u64,
        bytes: plan.iter().map(|planned| planned.size).sum(),
        evictions: plan.iter().map(planned).collect(),
    };
    context.format.print(&answer, |answer| {
        let rows = answer
            .evictions
            .iter()
            .map(|it| [it.image_id.to_owned(), short_size(it.size), it.cause.to_owned()]);
        columns(["ID", "SIZE", "CAUSE"], rows)
    })?;
    let words = format!(
        "nothing was evicted; a prune now would evict {}, {}, in the order of the driver {driver}",
        count(answer.images, "image"),
        size(answer.bytes)
    );
    print_message("note", &words);
    Ok(Code::Done)
}

fn planned(planned: &PlannedEviction) -> PlannedAnswer<'_> {
    PlannedAnswer {
        image_id: planned.image_id.as_str(),
        size: planned.size,
        cause: cause_name(planned.cause),
    }
}

fn cause_name(cause: EvictionCause) -> &'static str {
    match cause {
        EvictionCause::Policy => "the driver's policy",
        EvictionCause::MaxSize => "image_cache_max_size",
        EvictionCause::MaxImages => "image_cache_max_images",
        _ => "another limit",
    }
}

/// The output of `explain`.
#[derive(Serialize)]
struct ExplainAnswer<'a> {
    #[serde(flatten)]
    record: super::images::ImageRecord<'a>,
    driver: &'a str,
    /// From 1: the first is evicted first.
    rank: Option<u64>,
    ranked: u64,
    evicted_by_next_prune: bool,
    cause: Option<&'static str>,
    /// The names of its pins.
    pins: Vec<&'a str>,
}

pub fn explain(context: &CommandContext, id: &ImageId) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let Some(found) = cache.explain(id.as_str())? else { return Err(not_cached(&cache, id)) };
    let driver = cache.driver().name;
    let answer = ExplainAnswer {
        record: image_record(&found.record),
        driver: &driver,
        rank: found.rank,
        ranked: found.ranked,
        evicted_by_next_prune: found.goes.is_some(),
        cause: found.goes.map(cause_name),
        pins: found.pins.iter().map(|pin| pin.name.as_str()).collect(),
    };
    context.format.print(&answer, |answer| {
        facts([
            ("id", answer.record.image_id.to_owned()),
            ("size", size(answer.record.size)),
            ("hits", answer.record.hits.to_string()),
            ("last accessed", answer.record.last_accessed.clone()),
            ("last modified", answer.record.last_modified.clone()),
            ("rank", rank_words(&found, &driver)),
            ("next prune", verdict(&found, &driver)),
        ])
    })?;
    Ok(Code::Done)
}

/// The image's place in the order of eviction, in words.
fn rank_words(found: &Explanation, driver: &str) -> String {
    match found.rank {
        _ if !found.pins.is_empty() => "none: it is pinned".to_owned(),
        Some(rank) => format!("{rank} of {} in the eviction order of {driver}", found.ranked),
        None => format!("not among the first {} of {driver}", count(found.ranked, "image")),
    }
}

/// Why the image goes or stays, in words.
fn verdict(found: &Explanation, driver: &str) -> String {
    match found.goes {
        None if !found.pins.is_empty() => {
            let names: Vec<&str> = found.pins.iter().map(|pin| pin.name.as_str()).collect();
            format!("keeps it: it is pinned ({})", names.join(", "))
        }
        Some(EvictionCause::Policy) => {
            format!("evicts it: the policy of {driver} names it although there is room")
        }
        Some(cause) => {
            format!("evicts it: the cache exceeds {}, and {driver} names it", cause_name(cause))
        }
        None if found.planned == 0 => "evicts nothing: the cache is within its limits".to_owned(),
        None => {
            format!("keeps it: {} that {driver} names first suffice", count(found.planned, "image"))
        }
    }
}
