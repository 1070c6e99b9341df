//! Hits before they are recorded: written at once, or collected for a while.

mod atomic_micros;
mod pending_hit;

pub(crate) use pending_hit::PendingHit;

use crate::error::{DriverFailure, Result};
use crate::metadata::{DriverBudget, MetadataStore};
use atomic_micros::AtomicMicros;
use image_cache_engine::OpenImage;
use image_cache_model::{Hit, ImageId};
use image_cache_store::sync::{TimedLock, lock};
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Hits that wait for working records; if there are more, the oldest are dropped.
const WAITING_AT_MOST: usize = 100_000;

/// Hits per call of the driver. In a larger batch more hits are of the same image, which the driver updates once.
const HITS_PER_CALL: usize = 4000;

/// Recent reads.
#[derive(Debug)]
struct Recent {
    /// How long a read is remembered.
    remembered: AtomicMicros,
    reads: Mutex<VecDeque<(ImageId, Instant)>>,
}

/// Fewer reads than this are not checked for expiry, because the check would cost each read more.
const REMEMBERED_AT_LEAST: usize = 1000;

/// Reads that are remembered at most; if there are more, the oldest are dropped early.
const REMEMBERED_AT_MOST: usize = 100_000;

impl Recent {
    fn note(&self, image_id: &ImageId) {
        let remembered = self.remembered.get();
        if remembered.is_zero() {
            return;
        }
        let (mut reads, now) = (lock(&self.reads), Instant::now());
        // Consecutive reads of one image count as one.
        match reads.back_mut() {
            Some((last, at)) if last == image_id => *at = now,
            _ => reads.push_back((image_id.clone(), now)),
        }
        if reads.len() < REMEMBERED_AT_LEAST {
            return;
        }
        while let Some((_, at)) = reads.front()
            && (now.duration_since(*at) > remembered || reads.len() > REMEMBERED_AT_MOST)
        {
            reads.pop_front();
        }
    }

    fn images(&self) -> HashSet<ImageId> {
        let remembered = self.remembered.get();
        let is_recent = |at: &Instant| at.elapsed() <= remembered;
        let reads = lock(&self.reads);
        reads.iter().filter(|(_, at)| is_recent(at)).map(|(id, _)| id.clone()).collect()
    }
}

/// Hits that are not recorded yet.
///
/// Readers add their hits; a failure to record a hit never fails a read. Hits that cannot be written wait for the next write. A
/// drop loses the hits that were not [flushed](Self::flush).
#[derive(Debug)]
pub(crate) struct HitLog {
    metadata: Arc<MetadataStore>,
    delay: AtomicMicros,
    waiting: Mutex<Vec<Hit>>,
    /// The images that this process read recently, independent of the driver.
    recent: Recent,
    /// Whether a thread waits for the end of the window.
    scheduled: AtomicBool,
    /// Held by the thread that writes hits, so that they are recorded in order. It also writes hits that arrive meanwhile.
    /// Another thread waits for it at most for the time limit of a call.
    writing: TimedLock,
}

impl HitLog {
    /// Collects hits for `delay`, and remembers reads for `remembered`.
    pub fn new(metadata: Arc<MetadataStore>, delay: Duration, remembered: Duration) -> Arc<HitLog> {
        Arc::new(HitLog {
            metadata,
            delay: AtomicMicros::new(delay),
            waiting: Mutex::default(),
            recent: Recent { remembered: AtomicMicros::new(remembered), reads: Mutex::default() },
            scheduled: AtomicBool::new(false),
            writing: TimedLock::new(),
        })
    }

    /// From now on collects hits for `delay`, and remembers reads for `remembered`.
    pub fn set_times(&self, delay: Duration, remembered: Duration) {
        self.delay.set(delay);
        self.recent.remembered.set(remembered);
    }

    /// Adds a hit of a file that may still be open. A hit that cannot be written waits for the next write: records never fail a
    /// read.
    pub fn count(self: &Arc<Self>, hit: Hit, file: &Weak<File>) {
        let is_gathered = !self.delay.get().is_zero();
        let file = if is_gathered { None } else { file.upgrade() };
        // A built-in driver has no policy of its own that this must limit.
        if !self.metadata.is_built_in() {
            self.recent.note(&hit.image_id);
        }
        let opened = file.map(|file| OpenImage { image_id: hit.image_id.clone(), file });
        lock(&self.waiting).push(hit);
        if !is_gathered || !self.write_later() {
            self.write(opened.as_ref());
        }
    }

    /// The images that were recently read in this process.
    pub fn recently_read(&self) -> HashSet<ImageId> {
        self.recent.images()
    }

    /// Writes all collected hits.
    pub fn flush(&self) -> Result<()> {
        self.write_all(None)
    }

    /// Drops the hits of removed images. Waits for a running write.
    pub fn forget(&self, gone: &[ImageId]) {
        // If that takes too long, a hit of a removed image may be counted for a new image with its id.
        let _writing = self.writing.lock_until(|| self.metadata.end_of_call());
        lock(&self.waiting).retain(|hit| !gone.contains(&hit.image_id));
    }

    fn write(&self, opened: Option<&OpenImage>) {
        if let Err(error) = self.write_all(opened) {
            tracing::warn!(%error, "hits are not written yet; they wait until the records can be written");
        }
    }

    fn write_all(&self, opened: Option<&OpenImage>) -> Result<()> {
        let Some(_writing) = self.writing.lock_until(|| self.metadata.end_of_call()) else {
            let reason = DriverFailure::HitsBeingWritten;
            return Err(self.metadata.in_use().error("record hits", reason));
        };
        let budget = DriverBudget::of(0);
        loop {
            let mut batch = std::mem::take(&mut *lock(&self.waiting));
            if batch.is_empty() {
                return Ok(());
            }
            let mut written = 0;
            for hits in batch.chunks(HITS_PER_CALL) {
                if let Err(error) = self.metadata.record_hits(hits, opened, &budget) {
                    batch.drain(..written);
                    self.put_back(batch);
                    return Err(error);
                }
                written += hits.len();
            }
        }
    }

    fn put_back(&self, mut pending: Vec<Hit>) {
        let mut waiting = lock(&self.waiting);
        pending.append(&mut waiting);
        let too_many = pending.len().saturating_sub(WAITING_AT_MOST);
        if too_many > 0 {
            tracing::warn!(hits = too_many, "hits were lost: the driver has failed for too long");
            pending.drain(..too_many);
        }
        *waiting = pending;
    }

    /// The first hit of a window starts a thread that writes at its end, so no thread runs while there are no hits.
    fn write_later(self: &Arc<Self>) -> bool {
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return true;
        }
        let (log, delay): (Weak<HitLog>, _) = (Arc::downgrade(self), self.delay.get());
        let thread = std::thread::Builder::new().name("image-cache-hits".into()).spawn(move || {
            std::thread::sleep(delay);
            if let Some(log) = log.upgrade() {
                log.scheduled.store(false, Ordering::Release);
                log.write(None);
            }
        });
        self.scheduled.fetch_and(thread.is_ok(), Ordering::AcqRel);
        thread.is_ok()
    }
}
