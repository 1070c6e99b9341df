//! The state of the prefetcher: its attempts, and the notification that the queue has changed.

use super::attempts::Attempts;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The state of the prefetcher.
#[derive(Debug, Default)]
pub struct PrefetchState {
    /// Tells the prefetcher that the queue has changed.
    pub queue_changed: Notify,
    attempts: Mutex<Attempts>,
}

impl PrefetchState {
    /// The running fetches, and the failed ones with their reasons.
    pub fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
