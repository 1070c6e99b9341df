//! Whether the records and the directory are in sync, and when they are brought there.

use super::InUse;
use crate::error::Result;
use image_cache_model::CacheSize;
use image_cache_store::sync::{TimedLock, lock};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

/// After a vain attempt to reconcile, the next one waits so long, and twice as long each time.
const RECONCILE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// So long records that were reconciled are taken to agree with a directory that has not changed since.
const LATELY: Duration = Duration::from_secs(60);

/// So long nobody looks again for images that others put there or took away, and so many times as long as the last look took.
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

/// How far a repair of the records came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// With what the directory held.
    Whole(DirectorySnapshot),
    /// Some images have no true record, because it cannot be written.
    InPart,
}

/// What is known of the records' agreement with the directory.
pub(super) struct SyncState {
    /// Counts the occasions on which they fell out of sync.
    changes: AtomicU64,
    /// How many of them have been repaired.
    repaired: AtomicU64,
    /// Whether the last repair left out images whose records could not be written.
    unrepaired: AtomicBool,
    /// Passed by whoever reconciles the records.
    gate: TimedLock,
    /// The last attempt, where it was vain.
    next: Mutex<Option<FailedReconcile>>,
    /// When the records were reconciled with the directory last.
    agreed: Mutex<Option<LastReconcile>>,
}

/// A repair that left nothing out.
#[derive(Debug, Clone, Copy)]
struct LastReconcile {
    /// What the directory held.
    held: DirectorySnapshot,
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
        changed != self.held.changed || self.begun_at < changed + SAME_TIME
    }
}

/// A vain attempt to reconcile.
struct FailedReconcile {
    /// With whom it was: another driver need not wait.
    with: Weak<InUse>,
    pause: Duration,
    until: Instant,
}

impl Default for SyncState {
    /// Others may have used the directory since this process did.
    fn default() -> Self {
        SyncState {
            changes: AtomicU64::new(1),
            repaired: AtomicU64::new(0),
            unrepaired: AtomicBool::new(false),
            gate: TimedLock::new(),
            next: Mutex::default(),
            agreed: Mutex::default(),
        }
    }
}

impl SyncState {
    /// Books and directory differ.
    pub fn mark_dirty(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether they agree, as far as is known.
    pub fn is_in_sync(&self) -> bool {
        self.changes.load(Ordering::Acquire) == self.repaired.load(Ordering::Acquire)
    }

    fn is_whole(&self) -> bool {
        self.is_in_sync() && !self.unrepaired.load(Ordering::Acquire)
    }

    /// Whether they were brought into sync lately, when the directory held just this.
    pub fn matches_last_reconcile(&self, held: DirectorySnapshot) -> bool {
        let agreed = *lock(&self.agreed);
        self.is_whole()
            && agreed.is_some_and(|agreed| agreed.held == held && agreed.begun.elapsed() < LATELY)
    }

    /// Runs `reconcile` if there is something to repair, unless that just failed with the driver `in_use`. Waits for whoever
    /// is at it, but no longer than a call may take: records that are not repaired yet are asked all the same.
    pub fn reconcile_if_dirty(
        &self,
        in_use: impl Fn() -> Arc<InUse>,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        if self.is_whole() {
            return Ok(());
        }
        let Some(_passed) = self.gate.lock_until(|| in_use().driver.end_of_call()) else {
            return Ok(());
        };
        let is_too_soon = |vain: &FailedReconcile| vain.is_too_soon(&in_use());
        if self.is_whole() || lock(&self.next).as_ref().is_some_and(is_too_soon) {
            return Ok(());
        }
        // What slips while this runs is not repaired by it; and it may replace the driver, which is then no reason to wait.
        let (changes, tried) = (self.changes.load(Ordering::Acquire), in_use());
        let result = self.reconcile(reconcile);
        self.unrepaired.store(!matches!(result, Ok(Reconciled::Whole(_))), Ordering::Release);
        let mut next = lock(&self.next);
        *next = match &result {
            Ok(Reconciled::Whole(_)) => None,
            Ok(Reconciled::InPart) | Err(_) => Some(FailedReconcile::after(next.take(), &tried)),
        };
        drop(next);
        let repaired = match result? {
            Reconciled::Whole(_) => changes,
            // Its own failures slipped, too; what others were is looked at again all the same.
            Reconciled::InPart => self.changes.load(Ordering::Acquire),
        };
        self.repaired.store(repaired, Ordering::Release);
        Ok(())
    }

    /// Runs `reconcile` if an entry of the directory came or went since that was done last, unless that was just now or takes
    /// too long to do it so soon again.
    pub fn reconcile_changes(
        &self,
        changed: impl FnOnce() -> Result<SystemTime>,
        reconcile: impl FnOnce() -> Result<Reconciled>,
    ) -> Result<()> {
        let Some(agreed) = lock(&self.agreed).filter(LastReconcile::is_due) else { return Ok(()) };
        if !self.is_whole() || !agreed.is_outdated(changed()?) {
            return Ok(());
        }
        // Held by whoever is at it already.
        let Ok(_next) = self.next.try_lock() else { return Ok(()) };
        match self.reconcile(reconcile) {
            Ok(Reconciled::Whole(_)) => Ok(()),
            Ok(Reconciled::InPart) => {
                self.unrepaired.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                self.mark_dirty();
                Err(error)
            }
        }
    }

    fn reconcile(&self, reconcile: impl FnOnce() -> Result<Reconciled>) -> Result<Reconciled> {
        let (begun, begun_at) = (Instant::now(), SystemTime::now());
        let result = reconcile();
        if let Ok(Reconciled::Whole(held)) = result {
            let took = begun.elapsed();
            *lock(&self.agreed) = Some(LastReconcile { held, begun, begun_at, took });
        }
        result
    }

    /// A driver that took all its time to fail is not asked to repair the records in the same breath.
    pub fn back_off(&self, slow: &Arc<InUse>) {
        // Where somebody repairs, the failure is that of a repair, which puts off the next one itself.
        if self.gate.lock_until(Instant::now).is_some() {
            let mut next = lock(&self.next);
            *next = Some(FailedReconcile::after(next.take(), slow));
        }
    }
}

impl FailedReconcile {
    fn after(before: Option<FailedReconcile>, in_use: &Arc<InUse>) -> FailedReconcile {
        let same = before.filter(|vain| vain.is_with(in_use));
        let pause = same.map_or(RECONCILE_PAUSE, |vain| (vain.pause * 2).min(LONGEST_PAUSE));
        FailedReconcile { with: Arc::downgrade(in_use), pause, until: Instant::now() + pause }
    }

    fn is_with(&self, in_use: &Arc<InUse>) -> bool {
        self.with.ptr_eq(&Arc::downgrade(in_use))
    }

    fn is_too_soon(&self, in_use: &Arc<InUse>) -> bool {
        self.is_with(in_use) && Instant::now() < self.until
    }
}
