//! `verify`: reads cached images from start to end, and compares them with their digests.

use super::remove::ids_or_all;
use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{columns, count, short_size};
use crate::progress;
use bytesize::ByteSize;
use clap::Args;
use image_cache::{Error, ImageCache, ImageId, Trust, Verified};
use indicatif::ProgressBar;
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

const ANSWER: &str = "\
Each image is `verified`, `corrupt` (it was moved to invalid/), `missing` or `failed` (it cannot be read).
`trust` tells why the bytes of a verified image are right:
  fetched    its digests were made when it was fetched and verified
  checksum   it had no digests, and agreed with the checksum in its record
  first-use  it had neither; it is compared with what it was when it was first used

With --format json: {verified, corrupt, missing, failed, bytes, images: [{image_id, result, size, trust, reason}]}.
The exit code is 4 if an image is corrupt, else 1 if one failed, else 3 if one is missing.";

#[derive(Debug, Args)]
#[command(after_help = ANSWER, group(ids_or_all()))]
pub struct VerifyArgs {
    /// The images
    #[arg(value_name = "ID")]
    ids: Vec<ImageId>,
    /// All that are cached
    #[arg(long)]
    all: bool,
    /// Read no faster than this: bytes a second, or with a unit (100MB/s)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<u64>,
}

/// Bytes per second.
fn rate(text: &str) -> Result<u64, String> {
    let size = text.trim().strip_suffix("/s").unwrap_or(text).trim();
    let rate = size.parse::<ByteSize>().ok().map(|size| size.as_u64()).filter(|rate| *rate > 0);
    rate.ok_or_else(|| {
        "accepted: more than 0 bytes a second (50000000, \"100MB/s\", \"1 GiB/s\")".into()
    })
}

/// The result of one image.
#[derive(Serialize)]
struct VerifiedImage {
    image_id: String,
    /// `verified`, `corrupt`, `missing` or `failed`.
    result: &'static str,
    size: Option<u64>,
    trust: Option<&'static str>,
    reason: Option<String>,
}

/// The output of `verify`.
#[derive(Serialize)]
struct VerifyReport {
    verified: u64,
    corrupt: u64,
    missing: u64,
    failed: u64,
    bytes: u64,
    images: Vec<VerifiedImage>,
}

pub fn verify(context: &CommandContext, args: &VerifyArgs) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let ids = if args.all { all(&cache)? } else { args.ids.clone() };
    let bar = progress::bytes("verifying", Some(total(&cache, &ids)));
    let mut limit = args.rate.map(RateLimit::new);
    let mut images = Vec::with_capacity(ids.len());
    for id in &ids {
        bar.set_message(crate::output::printable(id.as_str()));
        let answer = one(&cache, id, &bar, &mut limit);
        if let Some(reason) = &answer.reason {
            bar.suspend(|| print_message("error", reason));
        }
        images.push(answer);
    }
    bar.finish_and_clear();
    let report = report(images);
    context.format.print(&report, table)?;
    Ok(code(&report))
}

/// All cached images. Opening the cache has synchronised the records with the directory.
fn all(cache: &ImageCache) -> image_cache::Result<Vec<ImageId>> {
    Ok(cache.cached_images()?.into_iter().map(|image| image.image_id).collect())
}

fn total(cache: &ImageCache, ids: &[ImageId]) -> u64 {
    ids.iter().filter_map(|id| cache.image_size(id.as_str()).ok().flatten()).sum()
}

fn one(
    cache: &ImageCache,
    id: &ImageId,
    bar: &ProgressBar,
    limit: &mut Option<RateLimit>,
) -> VerifiedImage {
    let verified = cache.verify_with(id.as_str(), |bytes| {
        bar.inc(bytes);
        if let Some(limit) = limit {
            limit.wait_after(bytes);
        }
    });
    let (result, verified, reason) = match verified {
        Ok(Some(verified)) => ("verified", Some(verified), None),
        Ok(None) => ("missing", None, Some(format!("image {id}: it is not cached"))),
        Err(error @ Error::Corrupt { .. }) => ("corrupt", None, Some(error.to_string())),
        Err(error) => ("failed", None, Some(error.to_string())),
    };
    VerifiedImage {
        image_id: id.to_string(),
        result,
        size: verified.map(|Verified { size, .. }| size),
        trust: verified.map(|Verified { trust, .. }| trust_name(trust)),
        reason,
    }
}

fn report(images: Vec<VerifiedImage>) -> VerifyReport {
    let count = |result| images.iter().filter(|answer| answer.result == result).count() as u64;
    VerifyReport {
        verified: count("verified"),
        corrupt: count("corrupt"),
        missing: count("missing"),
        failed: count("failed"),
        bytes: images.iter().filter_map(|answer| answer.size).sum(),
        images,
    }
}

/// A damaged image takes precedence, then one that could not be read, then a missing one.
fn code(report: &VerifyReport) -> Code {
    match report {
        VerifyReport { corrupt: 1.., .. } => Code::Mismatch,
        VerifyReport { failed: 1.., .. } => Code::Failed,
        VerifyReport { missing: 1.., .. } => Code::NoSuchImage,
        _ => Code::Done,
    }
}

fn table(report: &VerifyReport) -> String {
    let rows = report.images.iter().map(|answer| {
        [
            answer.image_id.clone(),
            answer.size.map_or_else(|| "-".to_owned(), short_size),
            answer.result.to_owned(),
            answer.trust.unwrap_or("-").to_owned(),
        ]
    });
    let rows = columns(["ID", "SIZE", "RESULT", "TRUST"], rows);
    let words =
        format!("verified {}, {}", count(report.verified, "image"), short_size(report.bytes));
    format!("{rows}\n{words}")
}

/// The name of a kind of trust in the report.
pub fn trust_name(trust: Trust) -> &'static str {
    match trust {
        Trust::Fetched => "fetched",
        Trust::Checksum => "checksum",
        Trust::FirstUse => "first-use",
        _ => "not-yet",
    }
}

/// Why the bytes are trusted, as `show` prints it.
pub fn trust_text(trust: Trust, has_checksum: bool) -> &'static str {
    match trust {
        Trust::Fetched => "verified when it was fetched, and at each read since",
        Trust::Checksum => "verified against its checksum, and at each read since",
        Trust::FirstUse => "trusted on first use, verified at each read since",
        _ if has_checksum => "not yet: its first use verifies it against its checksum",
        _ => "not yet: it will be trusted on first use",
    }
}

/// Limits the rate of reading.
struct RateLimit {
    bytes_per_second: u64,
    start: Instant,
    bytes: u64,
}

impl RateLimit {
    fn new(bytes_per_second: u64) -> RateLimit {
        RateLimit { bytes_per_second, start: Instant::now(), bytes: 0 }
    }

    /// Waits until this many more bytes may have been read.
    fn wait_after(&mut self, bytes: u64) {
        self.bytes += bytes;
        let due = Duration::from_secs_f64(self.bytes as f64 / self.bytes_per_second as f64);
        thread::sleep(due.saturating_sub(self.start.elapsed()));
    }
}
