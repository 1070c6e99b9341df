//! `list`, `show` and `delete` for cached images.

use super::remove::{RemoveArgs, RemoveOperation};
use super::verify;
use crate::command_context::CommandContext;
use crate::error::CliError;
use crate::exit::{Code, print_message};
use crate::output::{columns, count, exact_time, facts, short_size, short_time, size};
use image_cache::{CachedImage, ImageCache, ImageId, ImageList, LeftoverState, Trust};
use serde::Serialize;
use std::collections::BTreeSet;

/// Images without a record that are named, at most.
const SHOWN_WITHOUT_RECORD: usize = 20;

/// The record of an image.
#[derive(Serialize)]
pub struct ImageRecord<'a> {
    pub image_id: &'a str,
    pub size: u64,
    pub hits: u64,
    pub last_accessed: String,
    pub last_modified: String,
    pub checksum: Option<String>,
}

/// An element of the output of `list`.
#[derive(Serialize)]
struct ListedImage<'a> {
    #[serde(flatten)]
    record: ImageRecord<'a>,
    /// Whether the driver lists it; otherwise the record was made from its file.
    recorded: bool,
}

/// The output of `show`: the record, and why the image's bytes are trusted.
#[derive(Serialize)]
struct ShowAnswer<'a> {
    #[serde(flatten)]
    record: ImageRecord<'a>,
    trust: &'static str,
}

pub fn list(context: &CommandContext) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let ImageList { images, without_record } = cache.list_images()?;
    for id in without_record.iter().take(SHOWN_WITHOUT_RECORD) {
        print_message("note", &format!("the driver {} does not list {id}", cache.driver().name));
    }
    if let Some(more @ 1..) = without_record.len().checked_sub(SHOWN_WITHOUT_RECORD) {
        print_message("note", &format!("nor {}", count(more as u64, "other image")));
    }
    let listed = |image| listed_image(image, &without_record);
    let answer: Vec<ListedImage<'_>> = images.iter().map(listed).collect();
    context.format.print(&answer, |_| {
        columns(
            ["ID", "SIZE", "HITS", "LAST ACCESSED", "LAST MODIFIED", "CHECKSUM"],
            images.iter().map(row),
        )
    })?;
    Ok(Code::Done)
}

pub fn show(context: &CommandContext, id: &ImageId) -> anyhow::Result<Code> {
    let cache = context.open()?;
    let Some(image) = cache.cached_image(id.as_str())? else {
        return Err(not_cached(&cache, id));
    };
    let trust = cache.trust(id.as_str())?.unwrap_or(Trust::NotYet);
    let shown = ShowAnswer { record: image_record(&image), trust: verify::trust_name(trust) };
    context.format.print(&shown, |ShowAnswer { record, .. }| {
        facts([
            ("id", record.image_id.to_owned()),
            ("size", size(record.size)),
            ("hits", record.hits.to_string()),
            ("last accessed", record.last_accessed.clone()),
            ("last modified", record.last_modified.clone()),
            ("checksum", record.checksum.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("bytes", verify::trust_text(trust, record.checksum.is_some()).to_owned()),
        ])
    })?;
    Ok(Code::Done)
}

pub fn delete(context: &CommandContext, args: &RemoveArgs) -> anyhow::Result<Code> {
    let removal = RemoveOperation {
        question: "Remove all cached images?",
        missing: "it is not cached",
        one: ImageCache::delete_cached_image,
        all: ImageCache::delete_all_cached_images,
    };
    removal.run(context, args)
}

/// The error for an image that is not cached, with the known details.
pub fn not_cached(cache: &ImageCache, id: &ImageId) -> anyhow::Error {
    let mut what = "it is not cached".to_owned();
    // Unknown details are omitted. That the image is not cached is certain.
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
    CliError::NoSuchImage { id: id.clone(), what }.into()
}

fn listed_image<'a>(image: &'a CachedImage, without_record: &BTreeSet<ImageId>) -> ListedImage<'a> {
    let recorded = !without_record.contains(&image.image_id);
    ListedImage { record: image_record(image), recorded }
}

pub fn image_record(image: &CachedImage) -> ImageRecord<'_> {
    ImageRecord {
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
