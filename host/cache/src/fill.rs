//! One fetch: its bytes are counted, hashed and written to `incomplete/`, and at its end judged and published.
//!
//! The cache's own troubles never reach whoever reads: the fill goes on without its file, still counting
//! and hashing, and says in its [`Outcome`] what happened. How far it has come it tells to those who
//! [follow](crate::single_flight) it.

use crate::cache::CacheInner;
use crate::error::{Error, Result};
use crate::metadata::Budget;
use crate::single_flight::{Completed, End, Progress, clone_io_error};
use crate::space;
use image_cache_model::{CachedImage, Checksum, Durability, Expected, ImageId, Outcome};
use image_cache_store::integrity::BlockDigests;
use image_cache_store::md5::{Md5Digest, WRITE_BLOCK};
use image_cache_store::{Incomplete, PublishResult, StagedDigests, TakeResult, to_micros};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A slow source's bytes are written after so long, be they ever so few: another process may wait for them.
const WRITE_AFTER: Duration = Duration::from_millis(500);

/// A running fetch. Dropped before [`finish`](Fill::finish), it leaves its file in `invalid/`.
pub(crate) struct Fill {
    inner: Arc<CacheInner>,
    image_id: ImageId,
    expected: Expected,
    received: u64,
    block: Vec<u8>,
    /// None where nobody wants to know it.
    digest: Option<Md5Digest>,
    blocks: BlockDigests,
    target: Target,
    progress: Arc<Progress>,
    written_at: Instant,
    /// Whether it is one of those that fill the cache now.
    is_counted: bool,
    /// Whether it is known why it ended.
    is_judged: bool,
    /// Whether what cannot be written is kept for whoever goes on without the file, and what that was.
    pending: Option<Vec<u8>>,
}

enum Target {
    File(Incomplete),
    /// Nothing is cached, for this reason.
    Nowhere(Outcome),
}

impl Fill {
    /// Takes the image's place in `incomplete/`, unless it is not to be cached. Nobody follows it before
    /// its progress is [announced](Progress::announce).
    pub fn start(inner: Arc<CacheInner>, image_id: ImageId, expected: Expected) -> Fill {
        let Some(progress) = inner.in_flight.claim(&image_id, expected.size) else {
            return Fill::bypassing(inner, image_id, expected, Outcome::BeingCached);
        };
        let mut fill = Fill::bypassing(inner, image_id, expected, Outcome::BeingCached);
        fill.progress = progress;
        fill.target = take(&fill.inner, &fill.image_id, fill.expected.size);
        match &fill.target {
            Target::File(file) => {
                fill.inner.metrics.fills_started.inc();
                fill.is_counted = true;
                fill.digest.get_or_insert_with(Md5Digest::new);
                fill.progress.set_file(Arc::clone(file.file()));
            }
            Target::Nowhere(_) => fill.progress.end(End::NotStarted),
        }
        fill
    }

    /// A fetch past the cache, for this reason: only verified.
    pub fn bypassing(
        inner: Arc<CacheInner>,
        image_id: ImageId,
        expected: Expected,
        outcome: Outcome,
    ) -> Fill {
        Fill {
            inner,
            image_id,
            received: 0,
            block: Vec::new(),
            digest: expected.md5.is_some().then(Md5Digest::new),
            expected,
            blocks: BlockDigests::default(),
            target: Target::Nowhere(outcome),
            progress: Progress::detached(),
            written_at: Instant::now(),
            is_counted: false,
            is_judged: false,
            pending: None,
        }
    }

    /// From now on, bytes that cannot be written are kept until they are [handed over](Fill::take_pending).
    pub fn keep_pending(&mut self) {
        self.pending = Some(Vec::new());
    }

    /// Bytes that came.
    #[cfg(feature = "tokio")]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How far it has come, for who follows.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Takes the next bytes; an error where they are more than the image may have.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.received += bytes.len() as u64;
        self.inner.metrics.bytes_fetched.add(bytes.len() as u64);
        if let Some(expected) = self.expected.size.filter(|size| self.received > *size) {
            self.write_rest(bytes);
            return Err(self.refuse(self.size_mismatch(expected)));
        }
        if self.digest.is_none() {
            return Ok(());
        }
        while !bytes.is_empty() {
            if self.block.capacity() == 0 {
                self.block.reserve_exact(WRITE_BLOCK);
            }
            let (now, later) = bytes.split_at(bytes.len().min(WRITE_BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == WRITE_BLOCK {
                self.write_block();
            }
        }
        if self.progress.is_awaited() || self.written_at.elapsed() >= WRITE_AFTER {
            self.write_block();
        }
        Ok(())
    }

    /// Writes what has come, for who waits for it.
    pub fn flush(&mut self) {
        self.write_block();
    }

    /// Whether bytes have come that are not written yet.
    pub fn has_pending(&self) -> bool {
        !self.block.is_empty()
    }

    /// The cache has failed: what was not written, for the one who goes on with the source.
    pub fn take_pending(&mut self) -> Vec<u8> {
        let mut pending = self.pending.take().unwrap_or_default();
        pending.extend_from_slice(&self.block);
        pending
    }

    /// The end of the source: compares what came with what was expected, and publishes the image.
    pub fn finish(mut self) -> Result<Outcome> {
        self.progress.set_verifying();
        self.write_block();
        if let Some(expected) = self.expected.size.filter(|size| self.received != *size) {
            return Err(self.refuse(self.size_mismatch(expected)));
        }
        let digest = match self.digest.take().map(Md5Digest::finish).transpose() {
            Ok(digest) => digest,
            Err(error) => {
                let error = Error::image("hash", &self.image_id)(error);
                return Err(self.refuse(error));
            }
        };
        if let (Some(expected), Some(found)) = (&self.expected.md5, &digest)
            && expected != found
        {
            let (image_id, expected, found) =
                (self.image_id.clone(), expected.to_string(), found.to_string());
            return Err(self.refuse(Error::ChecksumMismatch { image_id, expected, found }));
        }
        let outcome =
            match std::mem::replace(&mut self.target, Target::Nowhere(Outcome::AlreadyCached)) {
                Target::Nowhere(outcome) => outcome,
                Target::File(file) => self.commit(file, digest.clone()),
            };
        let pending = self.take_pending();
        let flown = Completed { outcome: outcome.clone(), digest };
        self.progress.end_with(pending, End::Whole(flown), || ());
        Ok(outcome)
    }

    /// The source failed or lied: the file goes to `invalid/`, at once, and who follows hears of it.
    pub fn reject(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_judged, true) {
            self.inner.metrics.source_failures.inc();
        }
        self.write_rest(&[]);
        self.target = Target::Nowhere(Outcome::CacheFailed("the fetch failed".into()));
        self.progress.end(End::Failed(Arc::new(clone_io_error(error))));
    }

    fn refuse(&mut self, error: Error) -> Error {
        self.is_judged = true;
        let metrics = &self.inner.metrics;
        match &error {
            Error::ChecksumMismatch { .. } => metrics.checksum_failures.inc(),
            Error::SizeMismatch { .. } => metrics.size_failures.inc(),
            _ => {}
        }
        self.target = Target::Nowhere(Outcome::CacheFailed("the fetch failed".into()));
        self.progress.end(End::Failed(Arc::new(crate::single_flight::verdict_error(&error))));
        error
    }

    /// The image that is fetched.
    pub fn image_id(&self) -> &ImageId {
        &self.image_id
    }

    /// Why nothing will be cached, where that is certain already.
    pub fn bypass_reason(&self) -> Option<&Outcome> {
        match &self.target {
            Target::File(_) => None,
            Target::Nowhere(outcome) => Some(outcome),
        }
    }

    fn write_block(&mut self) {
        if self.block.is_empty() {
            return;
        }
        self.written_at = Instant::now();
        if let Target::File(file) = &mut self.target
            && let Err(error) = space::grow(&self.inner, file, self.block.len())
                .and_then(|()| file.write_all(&self.block))
        {
            let outcome = self.give_up(format!("cannot write to the cache: {error}"));
            self.end_fill_count();
            // What was written is of no use to anybody, and the disk may be full.
            if let Target::File(file) =
                std::mem::replace(&mut self.target, Target::Nowhere(outcome))
            {
                file.discard();
            }
            if self.pending.is_none() {
                self.progress.end(End::CacheFailed);
            }
        }
        match &self.target {
            Target::File(file) => self.progress.set_written(file.size()),
            Target::Nowhere(_) => {
                if let Some(pending) = &mut self.pending {
                    pending.extend_from_slice(&self.block);
                }
            }
        }
        if let Target::File(_) = &self.target {
            self.blocks.update(&self.block);
        }
        let block = std::mem::take(&mut self.block);
        if let Some(digest) = &mut self.digest {
            self.block = digest.update(block);
        }
    }

    /// The file is about to go to `invalid/`: whoever looks there for the reason finds all that came, with what came `last`. Where it cannot
    /// be written, that is all that is lost.
    fn write_rest(&mut self, last: &[u8]) {
        let Target::File(file) = &mut self.target else { return };
        for rest in [&std::mem::take(&mut self.block)[..], last] {
            let written = match rest {
                [] => Ok(()),
                rest => {
                    space::grow(&self.inner, file, rest.len()).and_then(|()| file.write_all(rest))
                }
            };
            if let Err(error) = written {
                tracing::debug!(image = %self.image_id, %error, "the end of what came is missing in invalid/");
                return;
            }
        }
    }

    /// Publishes the image: flushed to disk, recorded, renamed, and the directory flushed.
    fn commit(&mut self, file: Incomplete, checksum: Option<Checksum>) -> Outcome {
        let digests = std::mem::take(&mut self.blocks);
        let outcome = match self.publish(file, checksum, digests) {
            Ok(outcome) => outcome,
            Err(error) => return self.give_up(format!("cannot publish it: {error}")),
        };
        if let Outcome::Cached(_) | Outcome::AlreadyCached = outcome {
            self.inner.metrics.fills_cached.inc();
            self.finish_publish();
        }
        outcome
    }

    fn publish(
        &self,
        mut file: Incomplete,
        checksum: Option<Checksum>,
        digests: BlockDigests,
    ) -> io::Result<Outcome> {
        let CacheInner { directory, metadata, blocks, .. } = &*self.inner;
        let durability = self.inner.config.durability;
        let info = file.sync_to_disk(durability)?;
        let is_durable = durability == Durability::Full;
        let digests = blocks.stage(&self.image_id, file.file(), digests, is_durable);
        let record = CachedImage {
            image_id: self.image_id.clone(),
            size: info.size,
            hits: 0,
            last_accessed: to_micros(SystemTime::now()),
            last_modified: info.modified,
            checksum,
        };
        let _image = directory.lock_image(&self.image_id)?;
        if directory.cached_file(&self.image_id)?.is_some() {
            return Ok(Outcome::AlreadyCached);
        }
        // The record goes first: a crash in between leaves a record without a file, which opening
        // forgets, never a file that is served but not listed. Without its record the image is
        // published all the same, and adopted when the records work again.
        let recorded = metadata.record_cached(&record, Some(file.file()), &Budget::one_call());
        if let Err(error) = &recorded {
            tracing::warn!(image = %self.image_id, %error, "the image is cached without a record for now");
        }
        match self.move_in(file, digests) {
            Ok(PublishResult::Done) => Ok(Outcome::Cached(record)),
            Ok(PublishResult::AlreadyCached) => {
                metadata.mark_dirty();
                Ok(Outcome::AlreadyCached)
            }
            Err(error) => {
                let ids = std::slice::from_ref(&self.image_id);
                if metadata.forget(ids, &Budget::one_call()).is_err() {
                    tracing::warn!(image = %self.image_id, "a record without a file remains for now");
                }
                Err(error)
            }
        }
    }

    /// The image and its digests take their places, which no driver has a part in.
    fn move_in(
        &self,
        file: Incomplete,
        digests: io::Result<StagedDigests>,
    ) -> io::Result<PublishResult> {
        let CacheInner { directory, blocks, .. } = &*self.inner;
        let _lock = directory.lock()?;
        blocks.publish(&self.image_id, digests);
        let published = file.publish();
        if !matches!(published, Ok(PublishResult::Done)) {
            blocks.remove(&self.image_id);
        }
        published
    }

    /// What follows publishing, and cannot undo it.
    fn finish_publish(&self) {
        let directory = &self.inner.directory;
        if self.inner.config.durability == Durability::Full
            && let Err(error) = directory.flush_to_disk()
        {
            tracing::warn!(image = %self.image_id, %error, "the directory cannot be flushed: a power loss could lose the image");
        }
        if let Err(error) = directory.dequeue(&self.image_id) {
            tracing::warn!(image = %self.image_id, %error, "the image is cached, but stays in the queue");
        }
        self.inner.reconcile();
    }

    fn end_fill_count(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.inner.metrics.fills_ended.inc();
        }
    }

    fn give_up(&self, reason: String) -> Outcome {
        self.inner.note_failure(&self.image_id, &reason);
        Outcome::CacheFailed(reason)
    }

    fn size_mismatch(&self, expected: u64) -> Error {
        Error::SizeMismatch { image_id: self.image_id.clone(), expected, found: self.received }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if matches!(self.target, Target::File(_)) {
            self.inner.metrics.fills_abandoned.inc();
        }
        self.end_fill_count();
        self.write_rest(&[]);
        // The file first: who hears that the fetch was broken off may want the image's place.
        self.target = Target::Nowhere(Outcome::CacheFailed("the fetch was broken off".into()));
        self.progress.end(End::Abandoned);
        self.inner.in_flight.release(&self.image_id, &self.progress);
    }
}

/// Asks whether the image may be cached, and takes its place if so.
fn take(inner: &Arc<CacheInner>, image_id: &ImageId, size: Option<u64>) -> Target {
    let failed = |reason: String| {
        inner.note_failure(image_id, &reason);
        Target::Nowhere(Outcome::CacheFailed(reason))
    };
    // The directory is asked first: an image that is there needs no driver to say so.
    match inner.directory.cached_file(image_id) {
        Ok(None) => {}
        Ok(Some(_)) => return Target::Nowhere(Outcome::AlreadyCached),
        Err(error) => return failed(format!("cannot look at the cache: {error}")),
    }
    inner.reconcile();
    match inner.metadata.is_cacheable(image_id, size, SystemTime::now()) {
        Ok(true) => {}
        Ok(false) => return Target::Nowhere(Outcome::RefusedByDriver),
        Err(error) => return failed(error.to_string()),
    }
    match Incomplete::take(&inner.directory, image_id) {
        Ok(TakeResult::Ours(mut file)) => match space::reserve(inner, &mut file, size) {
            Ok(()) => Target::File(file),
            Err(error) => {
                file.discard();
                failed(format!("cannot write to the cache: {error}"))
            }
        },
        Ok(TakeResult::AlreadyCached) => Target::Nowhere(Outcome::AlreadyCached),
        Ok(TakeResult::BeingWritten) => Target::Nowhere(Outcome::BeingCached),
        Err(error) => failed(format!("cannot write to the cache: {error}")),
    }
}
