//! Whether the records and the directory are in sync, and when they are reconciled.

use super::in_use::InUse;
use crate::error::Result;
use image_cache_model::CacheSize;
use image_cache_store::sync::{TimedLock, lock};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

/// The pause after a failed attempt to reconcile; it doubles after each further failure.
const RECONCILE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long reconciled records are assumed to agree with an unchanged directory.
const LATELY: Duration = Duration::from_secs(60);

/// The directory is checked for changes by other programs at most once per this time, and at most once per this multiple of the
/// last reconciliation's duration.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const LOOK_PART: u32 = 50;

/// Two changes in the same moment may leave the same modification time of the directory.
const SAME_TIME: Duration = Duration::from_millis(100);

/// The content of the directory at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectorySnapshot {
    pub size: CacheSize,
    /// When an entry was last added or removed, read before counting.
    pub changed: SystemTime,
}

/// How complete a reconciliation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// Complete, with the content of the directory.
    Whole(DirectorySnapshot),
    /// Some images have no correct record, because it cannot be written.
    InPart,
}

/// Whether a failed attempt to reconcile delays the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backoff {
    Respected,
    /// The caller cannot continue without the records.
    Ignored,
}

/// Whether the records agree with the directory, as far as is known.
///
/// Each call of [`MetadataStore`](super::MetadataStore) marks it as dirty if a write fails; opening, reading and pruning let it
/// reconcile. The mutex is held only to read and update the state, never during a reconciliation: a separate lock serialises
/// reconciliations.
pub(crate) struct SyncState {
    knowledge: Mutex<Knowledge>,
    /// Held by a thread that reconciles because the records are dirty.
    dirty: TimedLock,
    /// Held by a thread that reconciles because the directory changed.
    changed: TimedLock,
}

#[derive(Debug)]
struct Knowledge {
    /// How often the records became dirty.
    changes: u64,
    /// How many of these changes have been repaired.
    repaired: u64,
    /// Whether the last reconciliation skipped images whose records could not be written.
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

    /// Stores the result of an attempt with this driver. It does not repair changes after the first `changes`.
    fn note(&mut self, result: &Result<Reconciled>, changes: u64, tried: &Arc<InUse>) {
        match result {
            Ok(Reconciled::Whole(_)) => {
                (self.repaired, self.is_partial, self.failed) = (changes, false, None);
                return;
            }
            // Its own failures also marked the records as dirty. `is_partial` causes another attempt for all of them.
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

/// A complete reconciliation.
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

    /// Whether an entry was added or removed since, according to the directory's time.
    fn is_outdated(&self, changed: SystemTime) -> bool {
        changed != self.snapshot.changed || self.begun_at < changed + SAME_TIME
    }
}

/// A failed attempt to reconcile.
#[derive(Debug)]
struct FailedReconcile {
    /// The driver of the attempt: another driver need not wait.
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
    /// Dirty, because other processes may have changed the directory.
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
    /// Marks that records and directory differ.
    pub fn mark_dirty(&self) {
        lock(&self.knowledge).changes += 1;
    }

    /// Whether they are known to agree.
    pub fn is_in_sync(&self) -> bool {
        lock(&self.knowledge).is_in_sync()
    }

    /// Whether they were recently reconciled with exactly this content of the directory.
    pub fn matches_last_reconcile(&self, snapshot: DirectorySnapshot) -> bool {
        let known = lock(&self.knowledge);
        let is_same =
            |last: LastReconcile| last.snapshot == snapshot && last.begun.elapsed() < LATELY;
        known.is_whole() && known.last.is_some_and(is_same)
    }

    /// Runs `reconcile` if the records are dirty or incomplete. After a failure with the driver `in_use`, [`Backoff`] decides
    /// whether this is delayed. Waits for another thread that reconciles, but at most for the time limit of a call; the caller
    /// then uses records that are not repaired yet.
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
        // `reconcile` may replace the driver; the new driver need not wait then.
        let tried = in_use();
        let changes = {
            let known = lock(&self.knowledge);
            let is_too_soon_again =
                known.failed.as_ref().is_some_and(|failed| failed.is_too_soon(&tried));
            if known.is_whole() || (backoff == Backoff::Respected && is_too_soon_again) {
                return Ok(());
            }
            known.changes
        };
        let result = self.run(reconcile);
        lock(&self.knowledge).note(&result, changes, &tried);
        result.map(drop)
    }

    /// Runs `reconcile` if an entry was added or removed since the last time, unless that was too recent (see [`LOOK_PAUSE`]) or
    /// another thread is doing it.
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

    /// Delays the next attempt with a driver that failed slowly.
    pub fn back_off(&self, slow: &Arc<InUse>) {
        // If a thread reconciles, the failure is one of its calls, and it delays the next attempt itself.
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
    fn a_call_that_fails_slowly_during_a_reconciliation_delays_the_next_attempt() {
        let place = tempfile::tempdir().expect("a directory");
        let config = Config::builder(place.path()).build().expect("it is valid");
        let cache = ImageCache::open(config).expect("it opens");
        let (in_use, sync) =
            (cache.inner().expect("it is open").metadata.in_use(), SyncState::default());
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
        let unreachable = || unreachable!("it is delayed");
        sync.reconcile_if_dirty(Backoff::Respected, driver, unreachable).expect("nothing is done");
        sync.reconcile_if_dirty(Backoff::Ignored, driver, whole).expect("it is whole");
        assert!(sync.is_in_sync());
    }
}
