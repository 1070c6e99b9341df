//! One fetch: counts, hashes and writes its bytes to `incomplete/`, and at its end verifies and publishes them.
//!
//! A failure of the cache never reaches the reader: the fill continues without its file, still counts and hashes, and reports the
//! failure in its [`Outcome`]. [Followers](crate::single_flight) see its [progress](Progress).

mod admission;
mod publish;
mod sink;

use crate::cache::CacheInner;
use crate::error::{Error, Result, check_digests};
use crate::metadata::DriverBudget;
use crate::outcome::{CacheFailure, Outcome};
use crate::single_flight::{Completed, FetchEnd, Progress};
use image_cache_model::{Checksum, ChecksumAlgorithm, Event, Expected, ImageId, Requester};
use image_cache_store::image_hasher::WRITE_BLOCK;
use publish::Published;
use sink::{CachingSink, Sink};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use tracing::{Span, field};

/// The bytes of a slow source are written after this time, even if they are few: another process may wait for them.
const WRITE_AFTER: Duration = Duration::from_millis(500);

/// A running fetch.
///
/// A reader or a task pushes the bytes of the source, in order, and ends with [`finish`](Self::finish), after which the image is
/// cached, or with [`reject`](Self::reject). A drop before that abandons the fetch: its file is moved to `invalid/`, and its
/// followers look for the image elsewhere.
pub(crate) struct Fill {
    inner: Arc<CacheInner>,
    image_id: ImageId,
    expected: Expected,
    received: u64,
    /// Bytes that arrived and are neither written nor hashed yet.
    block: Vec<u8>,
    sink: Sink,
    /// The tracing span, entered while the fill works.
    span: Span,
    progress: Arc<Progress>,
    written_at: Instant,
    /// Whether the metrics count it as running.
    is_counted: bool,
    /// Whether the metrics count its failure.
    is_failure_counted: bool,
    /// Bytes that could not be written, if a reader that continues without the file needs them.
    pending: Option<Vec<u8>>,
    requester: Requester,
    /// When it was admitted, until the driver is told how it ended.
    admitted: Option<Instant>,
}

impl Fill {
    /// Creates the image's file in `incomplete/`, unless the image must not be cached. It has no followers before its progress is
    /// [published](Progress::publish_producer).
    pub fn start(
        inner: Arc<CacheInner>,
        image_id: ImageId,
        expected: Expected,
        requester: Requester,
    ) -> Fill {
        let claimed = inner.in_flight.claim(&image_id, expected.size);
        let mut fill = Fill::bypassing(inner, image_id, expected, Outcome::BeingCached);
        let Some(progress) = claimed else { return fill };
        fill.progress = progress;
        fill.requester = requester;
        match admission::admit(&fill.inner, &fill.image_id, fill.expected.size, &fill.requester) {
            Ok(file) => {
                fill.inner.metrics.counters().fills_running += 1;
                fill.is_counted = true;
                if !fill.span.is_disabled() {
                    fill.span.record("driver", fill.inner.metadata.driver_name());
                }
                fill.admitted = Some(Instant::now());
                fill.progress.set_file(Arc::clone(file.file()));
                fill.sink = Sink::caching(file, &fill.expected);
            }
            Err(reason) => {
                fill.sink = Sink::bypassing(&fill.expected, reason);
                fill.progress.end(FetchEnd::NotStarted);
            }
        }
        fill
    }

    /// A fetch that bypasses the cache, for this reason: it only verifies.
    pub fn bypassing(
        inner: Arc<CacheInner>,
        image_id: ImageId,
        expected: Expected,
        reason: Outcome,
    ) -> Fill {
        Fill {
            inner,
            span: tracing::debug_span!("fill", image = %image_id, driver = field::Empty),
            image_id,
            received: 0,
            block: Vec::new(),
            sink: Sink::bypassing(&expected, reason),
            expected,
            progress: Progress::detached(),
            written_at: Instant::now(),
            is_counted: false,
            is_failure_counted: false,
            pending: None,
            requester: Requester::default(),
            admitted: None,
        }
    }

    /// From now on, bytes that cannot be written are kept until they are [taken](Fill::take_pending).
    pub fn keep_pending(&mut self) {
        self.pending = Some(Vec::new());
    }

    /// Bytes that arrived.
    #[cfg(feature = "tokio")]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Its progress, for its followers.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The image that is being fetched.
    pub fn image_id(&self) -> &ImageId {
        &self.image_id
    }

    /// Why nothing will be cached, if that is already certain.
    pub fn bypass_reason(&self) -> Option<&Outcome> {
        self.sink.bypass_reason()
    }

    /// Takes the next bytes; an error if the image has more than expected, or in a forked child.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.check_process()?;
        self.received += bytes.len() as u64;
        let fetched = &self.inner.metrics.bytes_fetched;
        fetched.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(expected) = self.expected.size.filter(|size| self.received > *size) {
            return Err(self.refuse(self.size_mismatch(expected), bytes));
        }
        if let Sink::Ignoring(_) = self.sink {
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
                self.flush();
            }
        }
        if self.progress.is_awaited() || self.written_at.elapsed() >= WRITE_AFTER {
            self.flush();
        }
        Ok(())
    }

    /// An error in a forked child of the process that started it.
    pub fn check_process(&self) -> Result<()> {
        self.inner.check_process(&self.image_id)
    }

    /// Whether it has bytes that are not written yet.
    pub fn has_pending(&self) -> bool {
        !self.block.is_empty()
    }

    /// Writes and hashes the bytes that arrived.
    pub fn flush(&mut self) {
        if self.block.is_empty() || !self.inner.process.is_current() {
            return;
        }
        let _span = self.span.clone().entered();
        self.written_at = Instant::now();
        let block = std::mem::take(&mut self.block);
        if let Sink::Caching(caching) = &mut self.sink {
            match caching.write(&self.inner, &block) {
                Ok(()) => self.progress.set_written(caching.file.size()),
                Err(error) => self.discard(error),
            }
        }
        if let (Sink::Verifying(..), Some(pending)) = (&self.sink, &mut self.pending) {
            pending.extend_from_slice(&block);
        }
        self.block = self.sink.hash(block);
    }

    /// After a failure of the cache: the bytes that were not written, for the reader that continues with the source.
    pub fn take_pending(&mut self) -> Vec<u8> {
        let mut pending = self.pending.take().unwrap_or_default();
        pending.extend_from_slice(&self.block);
        pending
    }

    /// The end of the source: compares size and digests with the expected ones, and publishes the image.
    pub fn finish(mut self) -> Result<Outcome> {
        self.check_process()?;
        let _span = self.span.clone().entered();
        let took = self.admitted.map(|admitted| admitted.elapsed());
        self.progress.set_verifying();
        self.flush();
        if let Some(expected) = self.expected.size.filter(|size| self.received != *size) {
            return Err(self.refuse(self.size_mismatch(expected), &[]));
        }
        let digests: Arc<[Checksum]> = match self.sink.finish_digests() {
            Ok(digests) => digests.into(),
            Err(error) => {
                let error = Error::image("hash", &self.image_id)(error);
                return Err(self.refuse(error, &[]));
            }
        };
        if let Err(error) = check_digests(&self.expected, &self.image_id, &digests) {
            return Err(self.refuse(error, &[]));
        }
        let ended = Sink::Ignoring(Outcome::AlreadyCached);
        let outcome = match std::mem::replace(&mut self.sink, ended) {
            Sink::Caching(caching) => self.publish(*caching, &digests),
            Sink::Verifying(_, reason) | Sink::Ignoring(reason) => Published::not(reason),
        };
        let Published { outcome, is_recorded } = outcome;
        let pending = self.take_pending();
        let completed = Completed { outcome: outcome.clone(), digests };
        self.progress.end_with(pending, FetchEnd::Whole(completed), || ());
        if let Outcome::Cached(_) = outcome {
            self.admitted = None;
            self.notify_fetched(took.filter(|_| is_recorded));
        }
        Ok(outcome)
    }

    /// Publishes the image with its MD5 in the record, unless the driver refuses it now that its size is known.
    fn publish(&self, caching: CachingSink, digests: &[Checksum]) -> Published {
        let Fill { inner, image_id, requester, .. } = self;
        if self.expected.size.is_none()
            && let Err(refused) = admission::confirm(inner, image_id, self.received, requester)
        {
            caching.file.discard();
            return Published::not(refused);
        }
        let md5 = digests.iter().find(|digest| digest.algorithm() == ChecksumAlgorithm::Md5);
        publish::publish(inner, image_id, caching, md5.cloned())
    }

    /// Tells the driver what the fetch cost; without a time, its record could not be written, and it is not told.
    fn notify_fetched(&self, took: Option<Duration>) {
        let Some(duration) = took else { return };
        let fetched = || Event::Fetched {
            image_id: self.image_id.clone(),
            at: SystemTime::now(),
            bytes: self.received,
            duration,
            requester: self.requester.clone(),
        };
        self.inner.metadata.notify(&DriverBudget::one_call(), || vec![fetched()]);
    }

    /// Tells the driver that a fetch that it admitted did not fill the cache.
    fn notify_not_cached(&self) {
        let not_cached = || Event::NotCached {
            image_id: self.image_id.clone(),
            at: SystemTime::now(),
            bytes: self.received,
            requester: self.requester.clone(),
        };
        self.inner.metadata.notify(&DriverBudget::one_call(), || vec![not_cached()]);
    }

    /// The source failed: moves the file to `invalid/` at once, and gives the followers a copy of the error.
    pub fn reject(&mut self, error: &io::Error) {
        if !self.inner.process.is_current() {
            return;
        }
        if !std::mem::replace(&mut self.is_failure_counted, true) {
            self.inner.metrics.counters().source_failures += 1;
        }
        self.quarantine(&[]);
        self.progress.end(FetchEnd::Failed(Arc::new(Error::copy_io(error))));
    }

    /// The source returned other bytes than expected; `last` are the bytes that are not in the block.
    fn refuse(&mut self, error: Error, last: &[u8]) -> Error {
        self.is_failure_counted = true;
        let metrics = &self.inner.metrics;
        match &error {
            Error::ChecksumMismatch { .. } => metrics.counters().checksum_failures += 1,
            Error::SizeMismatch { .. } => metrics.counters().size_failures += 1,
            _ => {}
        }
        self.quarantine(last);
        self.progress.end(FetchEnd::Failed(Arc::new(error.clone().into())));
        error
    }

    fn quarantine(&mut self, last: &[u8]) {
        let block = std::mem::take(&mut self.block);
        self.sink.quarantine(&self.inner, &self.image_id, [&block, last]);
    }

    /// The cache has failed: removes the file, because it is useless and the disk may be full.
    fn discard(&mut self, error: io::Error) {
        let failure = CacheFailure::Unwritable(Arc::new(error));
        let outcome = self.inner.note_failure(&self.image_id, failure);
        self.end_count();
        self.sink.discard(outcome);
        if self.pending.is_none() {
            self.progress.end(FetchEnd::CacheFailed);
        }
    }

    fn end_count(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.inner.metrics.counters().fills_running -= 1;
        }
    }

    fn size_mismatch(&self, expected: u64) -> Error {
        Error::SizeMismatch { image_id: self.image_id.clone(), expected, found: self.received }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if !self.inner.process.is_current() {
            // It is the parent's, with threads that do not exist here.
            let ended = Sink::Ignoring(Outcome::BeingCached);
            return std::mem::forget(std::mem::replace(&mut self.sink, ended));
        }
        if let Sink::Caching(_) = self.sink {
            self.inner.metrics.counters().fills_abandoned += 1;
        }
        self.end_count();
        // The file first: a follower that learns that the fetch was abandoned may start a fetch.
        self.quarantine(&[]);
        self.progress.end(FetchEnd::Abandoned);
        self.inner.in_flight.release(&self.image_id, &self.progress);
        if self.admitted.is_some() {
            self.notify_not_cached();
        }
    }
}
