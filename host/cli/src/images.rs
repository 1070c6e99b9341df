//! `list`, `show` and `delete`: the cached images.

use super::args::Which;
use super::exit::{Code, Failure, note};
use super::output::{columns, count, exact_time, facts, short_size, short_time, size};
use super::{Session, confirm, progress, verify};
use image_cache::{CachedImage, ImageCache, ImageId, LeftoverState, Trust};
use serde::Serialize;

/// One record.
#[derive(Serialize)]
struct Record<'a> {
    image_id: &'a str,
    size: u64,
    hits: u64,
    last_accessed: String,
    last_modified: String,
    checksum: Option<String>,
}

/// One record, and why the image's bytes are taken for right.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    record: Record<'a>,
    trust: &'static str,
}

/// How many were removed, and which were not there.
#[derive(Serialize)]
pub struct Removed<'a> {
    images: u64,
    missing: Vec<&'a str>,
}

pub fn list(session: &Session) -> anyhow::Result<Code> {
    let images = session.open()?.cached_images()?;
    let records: Vec<Record<'_>> = images.iter().map(record).collect();
    session.format.print(&records, |_| {
        columns(
            ["ID", "SIZE", "HITS", "LAST ACCESSED", "LAST MODIFIED", "CHECKSUM"],
            images.iter().map(row),
        )
    })?;
    Ok(Code::Done)
}

pub fn show(session: &Session, id: &ImageId) -> anyhow::Result<Code> {
    let cache = session.open()?;
    let Some(image) = cache.cached_image(id.as_str())? else {
        return Err(not_cached(&cache, id));
    };
    let trust = cache.trust(id.as_str())?.unwrap_or(Trust::NotYet);
    let shown = Shown { record: record(&image), trust: verify::name(trust) };
    session.format.print(&shown, |Shown { record, .. }| {
        facts([
            ("id", record.image_id.to_owned()),
            ("size", size(record.size)),
            ("hits", record.hits.to_string()),
            ("last accessed", record.last_accessed.clone()),
            ("last modified", record.last_modified.clone()),
            ("checksum", record.checksum.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("bytes", verify::words(trust, record.checksum.is_some()).to_owned()),
        ])
    })?;
    Ok(Code::Done)
}

pub fn delete(session: &Session, which: &Which) -> anyhow::Result<Code> {
    let all = Removal {
        question: "Remove all cached images?",
        missing: "it is not cached",
        one: ImageCache::delete_cached_image,
        all: ImageCache::delete_all_cached_images,
    };
    all.run(session, which)
}

/// The error for an image that is not cached, with all that is known of it.
pub fn not_cached(cache: &ImageCache, id: &ImageId) -> anyhow::Error {
    let mut what = "it is not cached".to_owned();
    // What cannot be found out is not said; that the image is not cached is certain.
    if cache.is_queued(id.as_str()).unwrap_or(false) {
        what += "; it is queued";
    }
    let left_behind = |state| cache.has_leftover(id, state).unwrap_or(false);
    if cache.is_being_cached(id.as_str()).unwrap_or(false) {
        what += "; it is being cached right now";
    } else if left_behind(LeftoverState::Incomplete) {
        what += "; a fetch that broke off left a part of it in incomplete/";
    }
    if left_behind(LeftoverState::Invalid) {
        what += &match cache.invalid_reason(id.as_str()) {
            Ok(Some(reason)) => format!("; it was found damaged and lies in invalid/: {reason}"),
            _ => "; a fetch that failed left its bytes in invalid/".to_owned(),
        };
    }
    Failure::NoSuchImage { id: id.clone(), what }.into()
}

/// Removing some or all, of the cached images or of the queue.
pub struct Removal {
    pub question: &'static str,
    pub missing: &'static str,
    pub one: fn(&ImageCache, &str) -> image_cache::Result<bool>,
    pub all: fn(&ImageCache) -> image_cache::Result<u64>,
}

impl Removal {
    pub fn run(&self, session: &Session, which: &Which) -> anyhow::Result<Code> {
        if which.all && !confirm::confirmed(self.question, which.yes)? {
            note("note", "nothing was removed");
            return Ok(Code::Failed);
        }
        let cache = session.open()?;
        let (removed, code) = if which.all {
            let bar = progress::waiting("removing");
            let images = (self.all)(&cache)?;
            bar.finish_and_clear();
            (Removed { images, missing: Vec::new() }, Code::Done)
        } else {
            self.some(&cache, &which.ids)
        };
        session.format.print(&removed, |removed| match removed.images {
            0 if !which.all => String::new(),
            images => format!("removed {}", count(images, "image")),
        })?;
        Ok(code)
    }

    /// One that fails does not keep the others.
    fn some<'a>(&self, cache: &ImageCache, ids: &'a [ImageId]) -> (Removed<'a>, Code) {
        let mut removed = Removed { images: 0, missing: Vec::new() };
        let mut failed = false;
        for id in ids {
            match (self.one)(cache, id.as_str()) {
                Ok(true) => removed.images += 1,
                Ok(false) => {
                    note("error", &format!("image {id}: {}", self.missing));
                    removed.missing.push(id.as_str());
                }
                Err(error) => {
                    note("error", &error.to_string());
                    failed = true;
                }
            }
        }
        let code = match (failed, removed.missing.is_empty()) {
            (true, _) => Code::Failed,
            (false, false) => Code::NoSuchImage,
            (false, true) => Code::Done,
        };
        (removed, code)
    }
}

fn record(image: &CachedImage) -> Record<'_> {
    Record {
        image_id: image.image_id.as_str(),
        size: image.size,
        hits: image.hits,
        last_accessed: exact_time(image.last_accessed),
        last_modified: exact_time(image.last_modified),
        checksum: image.checksum.as_ref().map(ToString::to_string),
    }
}

fn row(image: &CachedImage) -> [String; 6] {
    [
        image.image_id.to_string(),
        short_size(image.size),
        image.hits.to_string(),
        short_time(image.last_accessed),
        short_time(image.last_modified),
        image.checksum.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
    ]
}
