//! Collapsed forwarding: if several requests want an image that is not cached, one asks the upstream, and the others wait
//! to share its response.
//!
//! No request waits for a response that cannot be shared: the first such response releases all waiting requests, and for some
//! seconds further requests do not wait. If responses vary on a field of the request, the store remembers these
//! fields for the same time.

use super::ResponseStore;
use super::table::{FetchOutcome, LockState, Table};
use hyper::header::{self, HeaderMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the store remembers that responses cannot be shared.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The lock on the fetch of an image, held by the request that asks the upstream.
///
/// It exists so that many requests for one image cost one request to the upstream. Its holder must [release](release) it with
/// the outcome as soon as the header of the response is known; all waiting requests then act on that outcome. If it is dropped
/// before that (the client left, or an error), the outcome is unknown: the waiting requests try again, and one of them gets the
/// lock.
#[derive(Debug)]
pub struct FetchLock {
    id: String,
    table: Arc<Mutex<Table>>,
    outcome: watch::Sender<Option<FetchOutcome>>,
}

impl ResponseStore {
    /// Acquires the lock on an image's fetch: the request must ask the upstream and tell the others the outcome. Or waits until
    /// another request has released the lock, and returns that request's outcome.
    pub async fn acquire(&self, id: &str) -> Result<FetchLock, FetchOutcome> {
        let mut outcome = {
            let mut table = self.table();
            match table.locks.get(id) {
                Some(LockState::Held(outcome)) => outcome.clone(),
                Some(LockState::NotShared(until)) if Instant::now() < *until => {
                    return Err(FetchOutcome::NotShared);
                }
                Some(LockState::NotShared(_) | LockState::Varies(..)) | None => {
                    let (sender, outcome) = watch::channel(None);
                    table.set_lock(id, LockState::Held(outcome));
                    let table = Arc::clone(&self.table);
                    return Ok(FetchLock { id: id.to_owned(), table, outcome: sender });
                }
            }
        };
        let outcome = match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        Err(outcome.unwrap_or(FetchOutcome::Unknown))
    }

    /// Remembers that responses vary on fields that shared fetches do not forward, and releases the lock.
    pub fn remember_variance(&self, id: &str, headers: &HeaderMap, lock: Option<FetchLock>) {
        let vary = headers.get_all(header::VARY).iter();
        let vary = vary.map(|line| (header::VARY, line.clone())).collect();
        let mut table = self.table();
        let is_held_by_another =
            lock.is_none() && matches!(table.locks.get(id), Some(LockState::Held(_)));
        if !is_held_by_another && table.has_room() {
            let until = Instant::now() + REMEMBERED;
            table.set_lock(id, LockState::Varies(until, Arc::new(vary)));
            if let Some(lock) = &lock {
                lock.outcome.send_replace(Some(FetchOutcome::Unknown));
            }
        }
        // If the lock has no outcome yet, dropping it locks the table.
        drop(table);
    }

    /// The fields on which responses varied in the last seconds.
    pub fn variance(&self, id: &str) -> Option<Arc<HeaderMap>> {
        match self.table().locks.get(id)? {
            LockState::Varies(until, vary) if Instant::now() < *until => Some(Arc::clone(vary)),
            _ => None,
        }
    }

    /// Forgets that responses cannot be shared.
    pub fn forget_not_shared(&self, id: &str) {
        let mut table = self.table();
        if matches!(table.locks.get(id), Some(LockState::NotShared(_))) {
            table.locks.remove(id);
        }
    }
}

impl FetchLock {
    fn release(&self, outcome: FetchOutcome) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(outcome, FetchOutcome::NotShared) && table.has_room() {
            table.set_lock(&self.id, LockState::NotShared(Instant::now() + REMEMBERED));
        } else {
            table.locks.remove(&self.id);
        }
        drop(table);
        self.outcome.send_replace(Some(outcome));
    }
}

/// Releases a lock, if there is one, and tells the outcome to the waiting requests.
pub fn release(lock: Option<FetchLock>, outcome: FetchOutcome) {
    if let Some(lock) = lock {
        lock.release(outcome);
    }
}

impl Drop for FetchLock {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.release(FetchOutcome::Unknown);
        }
    }
}
