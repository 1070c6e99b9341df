//! The state of the prefetcher: its credentials, its attempts, and the signal that the queue has changed.

use super::attempts::Attempts;
use super::credentials::Credentials;
use crate::options::PrefetchSettings;
use image_cache::tokio::AsyncImageCache;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The state of the prefetcher.
#[derive(Debug)]
pub struct PrefetchState {
    pub(super) credentials: Credentials,
    queue_changed: Notify,
    attempts: Mutex<Attempts>,
}

impl PrefetchState {
    /// Faulty credentials are an error at once.
    pub fn new(settings: &PrefetchSettings) -> anyhow::Result<PrefetchState> {
        let credentials = Credentials::new(settings.prefetch_credentials_file.clone());
        credentials.headers()?;
        let (queue_changed, attempts) = (Notify::new(), Mutex::default());
        Ok(PrefetchState { credentials, queue_changed, attempts })
    }

    /// Tells the prefetcher that the queue has changed.
    pub fn notify_queue_changed(&self) {
        self.queue_changed.notify_one();
    }

    /// Returns when the queue has changed.
    pub(super) async fn queue_changed(&self) {
        self.queue_changed.notified().await;
    }

    /// The fetches that run, and those that failed with their reasons.
    pub fn as_json(&self, cache: &AsyncImageCache) -> Value {
        self.attempts().as_json(|id| cache.progress(id).ok().flatten())
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
