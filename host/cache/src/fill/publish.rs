//! Publishing: a complete, verified file becomes a cached image.

use super::sink::CachingSink;
use crate::cache::CacheInner;
use crate::events::CacheEvent;
use crate::metadata::DriverBudget;
use crate::outcome::{CacheFailure, Outcome};
use image_cache_model::{CachedImage, Checksum, Durability, ImageId};
use image_cache_store::{FileInfo, Incomplete, PublishResult, StagedDigests, to_micros};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// The end of a fetch.
pub(super) struct Published {
    pub outcome: Outcome,
    /// Whether the driver has a record of the image.
    pub is_recorded: bool,
}

impl Published {
    /// The image was not published.
    pub fn not(outcome: Outcome) -> Published {
        Published { outcome, is_recorded: false }
    }
}

/// Publishes the image: flushes it to disk, records it, renames it, and flushes the directory.
pub(super) fn publish(
    inner: &CacheInner,
    image_id: &ImageId,
    caching: CachingSink,
    checksum: Option<Checksum>,
) -> Published {
    let published = match record_and_move(inner, image_id, caching, checksum) {
        Ok(published) => published,
        Err(error) => {
            let failure = CacheFailure::Unpublished(Arc::new(error));
            return Published::not(inner.note_failure(image_id, failure));
        }
    };
    if let Outcome::Cached(_) | Outcome::AlreadyCached = published.outcome {
        inner.metrics.counters().fills_cached += 1;
        finish_publish(inner, image_id);
    }
    if let Outcome::Cached(record) = &published.outcome {
        inner.events.publish(|| CacheEvent::Cached(record.clone()));
    }
    published
}

/// The record is written first: a crash in between leaves an orphan record, which opening removes, but never a file that is
/// served and not listed. If the record cannot be written, the image is published anyway, and adopted when the driver works
/// again.
fn record_and_move(
    inner: &CacheInner,
    image_id: &ImageId,
    CachingSink { mut file, blocks: digests, .. }: CachingSink,
    checksum: Option<Checksum>,
) -> io::Result<Published> {
    let CacheInner { directory, metadata, digests: store, .. } = inner;
    let durability = inner.config().durability;
    let info = file.sync_to_disk(durability)?;
    let is_durable = durability == Durability::Full;
    let digests = store.stage(image_id, file.file(), digests, is_durable);
    let record = record_of(image_id, &info, checksum);
    let _image = directory.lock_image(image_id)?;
    if directory.cached_file(image_id)?.is_some() {
        return Ok(Published::not(Outcome::AlreadyCached));
    }
    let recorded = metadata.record_cached(&record, Some(file.file()), &DriverBudget::one_call());
    if let Err(error) = &recorded {
        tracing::warn!(image = %image_id, %error, "the image is cached without a record for now");
    }
    match move_in(inner, image_id, file, digests) {
        Ok(PublishResult::Done) => {
            Ok(Published { outcome: Outcome::Cached(record), is_recorded: recorded.is_ok() })
        }
        Ok(PublishResult::AlreadyCached) => {
            metadata.sync.mark_dirty();
            Ok(Published::not(Outcome::AlreadyCached))
        }
        Err(error) => {
            let ids = std::slice::from_ref(image_id);
            if metadata.forget(ids, &DriverBudget::one_call()).is_err() {
                tracing::warn!(image = %image_id, "a record without a file remains for now");
            }
            Err(error)
        }
    }
}

fn record_of(image_id: &ImageId, file: &FileInfo, checksum: Option<Checksum>) -> CachedImage {
    CachedImage::new(image_id.clone(), file.size, file.modified)
        .with_last_accessed(to_micros(SystemTime::now()))
        .with_checksum(checksum)
}

/// Moves the image and its digests to their places, without the driver.
fn move_in(
    inner: &CacheInner,
    image_id: &ImageId,
    file: Incomplete,
    digests: io::Result<StagedDigests>,
) -> io::Result<PublishResult> {
    let CacheInner { directory, digests: store, .. } = inner;
    let _lock = directory.lock()?;
    store.publish(image_id, digests);
    let published = file.publish();
    if !matches!(published, Ok(PublishResult::Done)) {
        store.remove(image_id);
    }
    published
}

/// Completes publishing; a failure here does not undo it.
fn finish_publish(inner: &CacheInner, image_id: &ImageId) {
    let directory = &inner.directory;
    if inner.config().durability == Durability::Full
        && let Err(error) = directory.flush_to_disk()
    {
        tracing::warn!(image = %image_id, %error, "the directory cannot be flushed: a power loss could lose the image");
    }
    if let Err(error) = directory.dequeue(image_id) {
        tracing::warn!(image = %image_id, %error, "the image is cached, but remains in the queue");
    }
    inner.reconcile();
}
