//! What the service has done, in numbers, as Prometheus reads them.

mod page;
mod scrape;

pub use scrape::scrape;

use super::cache_status::{CacheStatus, XCache};
use super::connections::Connections;
use super::descriptors::Descriptors;
use hyper::StatusCode;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what the service has done; the cache counts its own operations.
#[derive(Debug, Default)]
pub struct ServeMetrics {
    /// Answers by what they said of the cache; the last: nothing.
    answers: [Counter; XCache::ALL.len() + 1],
    /// The bytes of their bodies.
    bytes: [Counter; XCache::ALL.len() + 1],
    /// Answers by the first digit of their status.
    statuses: [Counter; 6],
    /// Answers by what the cache did, and why.
    reasons: Mutex<BTreeMap<&'static str, u64>>,
    broken_off: Counter,
    /// Queued images that were fetched.
    pub prefetched: Counter,
    /// Attempts to fetch a queued image that failed.
    pub prefetch_failures: Counter,
    /// The connections and descriptors, once the service listens.
    pub listeners: OnceLock<Listeners>,
}

/// A response that has ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedResponse {
    pub status: StatusCode,
    pub cache: Option<CacheStatus>,
    /// Bytes of its body that were sent.
    pub bytes: u64,
    /// Whether the client received all of it.
    pub is_whole: bool,
}

/// The connections of both listeners, and the descriptors of the process.
#[derive(Debug)]
pub struct Listeners {
    pub clients: Arc<Connections>,
    pub admin: Arc<Connections>,
    pub descriptors: Arc<Descriptors>,
}

impl ServeMetrics {
    /// Answers by what the cache did, and why.
    fn reasons(&self) -> BTreeMap<&'static str, u64> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a response that has ended.
    pub fn count_response(&self, ended: EndedResponse) {
        let EndedResponse { status, cache, bytes, is_whole } = ended;
        let index =
            cache.and_then(CacheStatus::x_cache).map_or(XCache::ALL.len(), |it| it as usize);
        if let Some(cache) = cache {
            let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            *reasons.entry(cache.reason()).or_default() += 1;
        }
        self.answers[index].inc();
        self.bytes[index].add(bytes);
        let class = usize::from(status.as_u16() / 100);
        self.statuses[class.min(self.statuses.len() - 1)].inc();
        if !is_whole {
            self.broken_off.inc();
        }
    }
}
