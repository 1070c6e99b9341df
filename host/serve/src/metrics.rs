//! What the service has done, in numbers, as Prometheus reads them.

mod scrape;

pub use scrape::scrape;

use super::cache_status::{CacheStatus, XCache};
use super::connections::Connections;
use super::descriptors::Descriptors;
use super::requests::Seen;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A number that grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn one(&self) {
        self.add(1);
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the service has done; what the cache has done it counts itself.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by what they said of the cache; the last: nothing.
    answers: [Count; XCache::ALL.len() + 1],
    /// The bytes of their bodies.
    bytes: [Count; XCache::ALL.len() + 1],
    /// Answers by the first digit of their status.
    statuses: [Count; 6],
    /// Answers by what the cache did, and why.
    reasons: Mutex<BTreeMap<&'static str, u64>>,
    broken_off: Count,
    /// Queued images that were fetched.
    pub prefetched: Count,
    /// Attempts to fetch a queued image that failed.
    pub prefetch_failures: Count,
    /// What clients and operators may take, where they are served.
    pub listeners: OnceLock<Listeners>,
}

/// The connections of both listeners, and the descriptors of the process.
#[derive(Debug)]
pub struct Listeners {
    pub clients: Arc<Connections>,
    pub admin: Arc<Connections>,
    pub descriptors: Arc<Descriptors>,
}

impl Metrics {
    /// Answers by what the cache did, and why.
    fn reasons(&self) -> BTreeMap<&'static str, u64> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An answer has ended, wholly or not.
    pub fn answered(&self, seen: &Seen, whole: bool) {
        let label =
            seen.cache.and_then(CacheStatus::x_cache).map_or(XCache::ALL.len(), |it| it as usize);
        if let Some(cache) = seen.cache {
            let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            *reasons.entry(cache.reason()).or_default() += 1;
        }
        self.answers[label].one();
        self.bytes[label].add(seen.bytes);
        let class = usize::from(seen.status.as_u16() / 100);
        self.statuses[class.min(self.statuses.len() - 1)].one();
        if !whole {
            self.broken_off.one();
        }
    }
}
