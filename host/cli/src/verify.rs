//! `verify`: cached images read from end to end, and held against their digests.

use super::args::Verify;
use super::exit::{Code, note};
use super::output::{columns, count, short_size};
use super::{Session, progress};
use image_cache::{Error, ImageCache, ImageId, Trust, Verified};
use indicatif::ProgressBar;
use serde::Serialize;
use std::thread;
use std::time::{Duration, Instant};

/// What became of one image.
#[derive(Serialize)]
struct Answer {
    image_id: String,
    /// `verified`, `corrupt`, `missing` or `failed`.
    result: &'static str,
    size: Option<u64>,
    trust: Option<&'static str>,
    reason: Option<String>,
}

/// The answer of `verify`.
#[derive(Serialize)]
struct Answers {
    verified: u64,
    corrupt: u64,
    missing: u64,
    failed: u64,
    bytes: u64,
    images: Vec<Answer>,
}

pub fn verify(session: &Session, verify: &Verify) -> anyhow::Result<Code> {
    let cache = session.open()?;
    let ids = if verify.all { all(&cache)? } else { verify.ids.clone() };
    let bar = progress::bytes("verifying", Some(total(&cache, &ids)));
    let mut pace = verify.rate.map(Pace::new);
    let mut images = Vec::with_capacity(ids.len());
    for id in &ids {
        bar.set_message(super::output::printable(id.as_str()));
        let answer = one(&cache, id, &bar, &mut pace);
        if let Some(reason) = &answer.reason {
            bar.suspend(|| note("error", reason));
        }
        images.push(answer);
    }
    bar.finish_and_clear();
    let answers = counted(images);
    session.format.print(&answers, table)?;
    Ok(code(&answers))
}

/// All that are cached: opening has brought the records into sync with the directory.
fn all(cache: &ImageCache) -> image_cache::Result<Vec<ImageId>> {
    Ok(cache.cached_images()?.into_iter().map(|image| image.image_id).collect())
}

fn total(cache: &ImageCache, ids: &[ImageId]) -> u64 {
    ids.iter().filter_map(|id| cache.image_size(id.as_str()).ok().flatten()).sum()
}

fn one(cache: &ImageCache, id: &ImageId, bar: &ProgressBar, pace: &mut Option<Pace>) -> Answer {
    let verified = cache.verify_with(id.as_str(), |bytes| {
        bar.inc(bytes);
        if let Some(pace) = pace {
            pace.keep(bytes);
        }
    });
    let (result, verified, reason) = match verified {
        Ok(Some(verified)) => ("verified", Some(verified), None),
        Ok(None) => ("missing", None, Some(format!("image {id}: it is not cached"))),
        Err(error @ Error::Corrupt { .. }) => ("corrupt", None, Some(error.to_string())),
        Err(error) => ("failed", None, Some(error.to_string())),
    };
    Answer {
        image_id: id.to_string(),
        result,
        size: verified.map(|Verified { size, .. }| size),
        trust: verified.map(|Verified { trust, .. }| name(trust)),
        reason,
    }
}

fn counted(images: Vec<Answer>) -> Answers {
    let count = |result| images.iter().filter(|answer| answer.result == result).count() as u64;
    Answers {
        verified: count("verified"),
        corrupt: count("corrupt"),
        missing: count("missing"),
        failed: count("failed"),
        bytes: images.iter().filter_map(|answer| answer.size).sum(),
        images,
    }
}

/// A damaged image is the news; then what could not be looked at, then what was not there.
fn code(answers: &Answers) -> Code {
    match answers {
        Answers { corrupt: 1.., .. } => Code::Mismatch,
        Answers { failed: 1.., .. } => Code::Failed,
        Answers { missing: 1.., .. } => Code::NoSuchImage,
        _ => Code::Done,
    }
}

fn table(answers: &Answers) -> String {
    let rows = answers.images.iter().map(|answer| {
        [
            answer.image_id.clone(),
            answer.size.map_or_else(|| "-".to_owned(), short_size),
            answer.result.to_owned(),
            answer.trust.unwrap_or("-").to_owned(),
        ]
    });
    let rows = columns(["ID", "SIZE", "RESULT", "TRUST"], rows);
    let words =
        format!("verified {}, {}", count(answers.verified, "image"), short_size(answers.bytes));
    format!("{rows}\n{words}")
}

/// The name of it in answers.
pub fn name(trust: Trust) -> &'static str {
    match trust {
        Trust::Fetched => "fetched",
        Trust::Checksum => "checksum",
        Trust::FirstUse => "first-use",
        _ => "not-yet",
    }
}

/// What it means, in words.
pub fn words(trust: Trust, has_checksum: bool) -> &'static str {
    match trust {
        Trust::Fetched => "verified when it was fetched, and at each read since",
        Trust::Checksum => "verified against its checksum, and at each read since",
        Trust::FirstUse => "trusted on first use, verified at each read since",
        _ if has_checksum => "not yet: its first use verifies it against its checksum",
        _ => "not yet: it will be trusted on first use",
    }
}

/// Keeps reading down to a rate.
struct Pace {
    bytes_per_second: u64,
    start: Instant,
    bytes: u64,
}

impl Pace {
    fn new(bytes_per_second: u64) -> Pace {
        Pace { bytes_per_second, start: Instant::now(), bytes: 0 }
    }

    /// Waits until so many more bytes are due.
    fn keep(&mut self, bytes: u64) {
        self.bytes += bytes;
        let due = Duration::from_secs_f64(self.bytes as f64 / self.bytes_per_second as f64);
        thread::sleep(due.saturating_sub(self.start.elapsed()));
    }
}
