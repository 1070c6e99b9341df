//! Whether the records and the directory are in sync, and when they are reconciled.

use super::in_use::InUse;
use crate::error::Result;
use image_cache_model::CacheSize;
use image_cache_store::sync::{TimedLock, lock};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

/// After a failed attempt to reconcile, the next one waits so long, and twice as long each time.
const RECONCILE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// So long reconciled records are taken to agree with a directory that has not changed since.
const LATELY: Duration = Duration::from_secs(60);

/// So long the directory is not looked at again for images that others put there or took away, and so many times as long as the
/// last reconciliation took.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const LOOK_PART: u32 = 50;

/// An entry that came in the same moment as the one before may leave the directory's time as it is.
const SAME_TIME: Duration = Duration::from_millis(100);

/// What the directory held at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectorySnapshot {
    pub size: CacheSize,
    /// When an entry came or went last, before that was counted.
    pub changed: SystemTime,
}

/// How far a reconciliation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// With what the directory held.
    Whole(DirectorySnapshot),
    /// Some images have no true record, because it cannot be written.
    InPart,
}

/// Whether a failed attempt to reconcile puts off the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backoff {
    Respected,
    /// The caller cannot go on without the records.
    Ignored,
}

/// What is known of the records' agreement with the directory.
///
/// Each call of [`MetadataStore`](super::MetadataStore) tells it what could not be written; opening, reading and pruning have
/// it reconcile. The mutex is held only to look and to note, never during a reconciliation: one thread at a time passes a
/// gate for that.
pub(crate) struct SyncState {
    knowledge: Mutex<Knowledge>,
    /// Passed by a thread that reconciles because the records are dirty.
    dirty: TimedLock,
    /// Passed by a thread that reconciles because the directory changed.
    changed: TimedLock,
}

#[derive(Debug)]
struct Knowledge {
    /// Counts the occasions on which records and directory fell out of sync.
    changes: u64,
    /// How many of them have been repaired.
    repaired: u64,
    /// Whether the last reconciliation left out images whose records could not be written.
    is_partial: bool,
    failed: Option<FailedReconcile>,
    last: Option<LastReconcile>,
}

impl Knowledge {
    fn is_in_sync(&self) -> bool {
        self.changes == self.repaired
    }

    fn is_whole(&self) -> bool {
        self.is_in_sync() && !self.is_partial
    }

    /// Notes how an attempt with this driver ended. What fell out of sync after the first `changes` is not repaired by it.
    fn note(&mut self, result: &Result<Reconciled>, changes: u64, tried: &Arc<InUse>) {
        match result {
            Ok(Reconciled::Whole(_)) => {
                (self.repaired, self.is_partial, self.failed) = (changes, false, None);
                return;
            }
            // Its own failures made the records dirty, too; the other occasions are looked at again all the same.
            Ok(Reconciled::InPart) => self.repaired = self.changes,
            Err(_) => {}
        }
        self.is_partial = true;
        self.back_off(tried);
    }

    fn back_off(&mut self, driver: &Arc<InUse>) {
        self.failed = Some(FailedReconcile::after(self.failed.take(), driver));
    }
}

/// A reconciliation that left nothing out.
#[derive(Debug, Clone, Copy)]
struct LastReconcile {
    snapshot: DirectorySnapshot,
    /// When it began, by both clocks, and how long it took.
    begun: Instant,
    begun_at: SystemTime,
    took: Duration,
}

impl LastReconcile {
    fn is_due(&self) -> bool {
        self.begun.elapsed() >= LOOK_PAUSE.max(self.took * LOOK_PART)
    }

    /// Whether an entry came or went since, as far as the directory's time tells.
    fn is_outdated(&self, changed: SystemTime) -> bool {
        changed != self.snapshot.changed || self.begun_at < changed + SAME_TIME
    }
}

/// A failed attempt to reconcile.
#[derive(Debug)]
struct FailedReconcile {
    /// With which driver: another one need not wait.
    with: Weak<InUse>,
    pause: Duration,
    until: Instant,
}

impl FailedReconcile {
    fn after(before: Option<FailedReconcile>, in_use: &Arc<InUse>) -> FailedReconcile {
        let same = before.filter(|failed| failed.is_with(in_use));
        let pause = same.map_or(RECONCILE_PAUSE, |failed| (failed.pause * 2).min(LONGEST_PAUSE));
        FailedReconcile { with: Arc::downgrade(in_use), pause, until: Instant::now() + pause }
    }

    fn is_with(&self, in_use: &Arc<InUse>) -> bool {
        self.with.ptr_eq(&Arc::downgrade(in_use))
    }

    fn is_too_soon(&self, in_use: &Arc<InUse>) -> bool {
        self.is_with(in_use) && Instant::now() < self.until
    }
}

impl Default for SyncState {
    /// Other processes may have used the directory since this one did.
    fn default() -> Self {
        let knowledge =
            Knowledge { changes: 1, repaired: 0, is_partial: false, failed: None, last: None };
        SyncState {
            knowledge: Mutex::new(knowledge),
            dirty: TimedLock::new(),
            changed: TimedLock::new(),
        }
    }
}

impl SyncState {
    /// Notes that records and directory differ.
    pub fn mark_dirty(&self) {
        lock(&self.knowledge).changes += 1;
    }

    /// Whether they agree, as far as is known.
    pub fn is_in_sync(&self) -> bool {
        lock(&self.knowledge).is_in_sync()
    }

    /// Whether they were reconciled lately, when the directory held just this.
    pub fn matches_last_reconcile(&self, snapshot: DirectorySnapshot) -> bool {
        let known = lock(&self.knowledge);
        let is_same =
            |last: LastReconcile| last.snapshot == snapshot && last.begun.elapsed() < LATELY;
        known.is_whole() && known.last.is_some_and(is_same)
    }

    /// Runs `reconcile` if there is something to repair. After a failure with the driver `in_use`, [`Backoff`] says whether
    /// that is put off. Waits for another thread that reconciles, but no longer than a call may take: records that are not
    /// repaired yet are asked all the same.
    pub fn reconcile_if_dirty(
        &self,
        backoff: Backoff,
        in_use: impl Fn() -> Arc<InUse>,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        if lock(&self.knowledge).is_whole() {
            return Ok(());
        }
        let Some(_passed) = self.dirty.lock_until(|| in_use().driver.end_of_call()) else {
            return Ok(());
        };
        // It may replace the driver, which is then no reason for the new one to wait.
        let tried = in_use();
        let changes = {
            let known = lock(&self.knowledge);
            let is_put_off = known.failed.as_ref().is_some_and(|failed| failed.is_too_soon(&tried));
            if known.is_whole() || (backoff == Backoff::Respected && is_put_off) {
                return Ok(());
            }
            known.changes
        };
        let result = self.run(reconcile);
        lock(&self.knowledge).note(&result, changes, &tried);
        result.map(drop)
    }

    /// Runs `reconcile` if an entry of the directory came or went since that was done last, unless that was just now or takes
    /// too long to do it so soon again, or another thread is at it.
    pub fn reconcile_changes(
        &self,
        changed: impl FnOnce() -> Result<SystemTime>,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        let last = {
            let known = lock(&self.knowledge);
            known.last.filter(|last| known.is_whole() && last.is_due())
        };
        let Some(last) = last else { return Ok(()) };
        if !last.is_outdated(changed()?) {
            return Ok(());
        }
        let Some(_passed) = self.changed.lock_until(Instant::now) else { return Ok(()) };
        let result = self.run(reconcile);
        let mut known = lock(&self.knowledge);
        match &result {
            Ok(Reconciled::Whole(_)) => {}
            Ok(Reconciled::InPart) => known.is_partial = true,
            Err(_) => known.changes += 1,
        }
        drop(known);
        result.map(drop)
    }

    fn run(&self, reconcile: impl FnOnce() -> Result<Reconciled>) -> Result<Reconciled> {
        let (begun, begun_at) = (Instant::now(), SystemTime::now());
        let result = reconcile();
        if let Ok(Reconciled::Whole(snapshot)) = result {
            let took = begun.elapsed();
            lock(&self.knowledge).last = Some(LastReconcile { snapshot, begun, begun_at, took });
        }
        result
    }

    /// Puts off the next attempt with a driver that took all its time to fail.
    pub fn back_off(&self, slow: &Arc<InUse>) {
        // If a thread reconciles, the failure is one of its calls, and it puts off the next attempt itself.
        if self.dirty.lock_until(Instant::now).is_some() {
            lock(&self.knowledge).back_off(slow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Error, ImageCache};

    #[test]
    fn a_call_that_fails_slowly_while_changes_are_reconciled_puts_the_next_attempt_off() {
        let place = tempfile::tempdir().expect("a directory");
        let config = Config::builder(place.path()).build().expect("it is right");
        let cache = ImageCache::open(config).expect("it opens");
        let (in_use, sync) = (cache.inner().metadata.in_use(), SyncState::default());
        let changed = SystemTime::UNIX_EPOCH;
        let snapshot = DirectorySnapshot { size: CacheSize::default(), changed };
        let whole = || Ok(Reconciled::Whole(snapshot));
        let driver = || Arc::clone(&in_use);
        sync.reconcile_if_dirty(Backoff::Respected, driver, whole).expect("it is whole");
        std::thread::sleep(LOOK_PAUSE);
        let failed = sync.reconcile_changes(
            || Ok(SystemTime::now()),
            || {
                sync.back_off(&in_use);
                Err(Error::InUse { path: place.path().into() })
            },
        );
        assert!(failed.is_err() && !sync.is_in_sync());
        let unreachable = || unreachable!("it is put off");
        sync.reconcile_if_dirty(Backoff::Respected, driver, unreachable).expect("nothing is done");
        sync.reconcile_if_dirty(Backoff::Ignored, driver, whole).expect("it is whole");
        assert!(sync.is_in_sync());
    }
}
