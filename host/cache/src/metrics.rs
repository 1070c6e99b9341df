//! The counters of a cache since it was opened.

mod cache_metric;
mod of_counters;

pub use cache_metric::{CacheMetric, MetricKind, MetricNumber};

use image_cache_store::sync::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The counters of one open cache in this process; see [`ImageCache::counters`](crate::ImageCache::counters).
///
/// All except [`fills_running`](Self::fills_running) only increase. They are not an atomic snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Reads that count as hits: reads of a cached image or of a range of it to the end, and followers that reached the end.
    pub hits: u64,
    /// Reads from a source, including those of [`cache_image`](crate::ImageCache::cache_image).
    pub misses: u64,
    /// Misses that bypassed the cache: the driver refused the image, the cache could not store it, or another writer was writing
    /// it.
    pub passed: u64,
    /// Reads that joined a running fetch, in this process or another.
    pub shared: u64,
    /// Bytes of cached images that were read; with tokio up to one block more than was returned.
    pub bytes_from_cache: u64,
    /// Bytes of running fetches that readers got from the growing file: the reader that started the fetch, and followers.
    pub bytes_from_fetches: u64,
    /// Bytes that were read from sources.
    pub bytes_fetched: u64,
    /// Running fetches that fill the cache.
    pub fills_running: u64,
    /// Fetches that ended with the image in the cache.
    pub fills_cached: u64,
    /// Fetches that ended with an error of their source; each counts once, for all its readers.
    pub source_failures: u64,
    /// Fetches that were abandoned because they had no reader.
    pub fills_abandoned: u64,
    /// Fetches whose bytes did not have the expected checksum.
    pub checksum_failures: u64,
    /// Fetches that had more or fewer bytes than expected.
    pub size_failures: u64,
    /// Fills that failed because of the cache, not the source.
    pub cache_failures: u64,
    /// The same by the [name](crate::CacheFailure::name) of the reason; a reason that never occurred is missing.
    pub cache_failures_by_reason: BTreeMap<&'static str, u64>,
    /// Blocks that were read and found damaged.
    pub corrupt_blocks: u64,
    /// Images that were quarantined because they were damaged.
    pub corrupt_images: u64,
    /// Images that were evicted because of the limits or by the driver's policy.
    pub evictions: u64,
    /// Bytes of the evicted images.
    pub bytes_evicted: u64,
    /// Victims that the driver named and that did not need to be evicted.
    pub victims_not_needed: u64,
    /// Victims of the driver's own policy that stayed because they were recently published or read.
    pub victims_too_young: u64,
    /// Victims of the driver's own policy that stayed because more than half of the cache would have been evicted.
    pub victims_beyond_half: u64,
    /// How often the built-in sqlite driver replaced another one, at opening or later.
    pub fallbacks: u64,
    /// Calls of the driver by operation; an operation that was never called is missing.
    pub driver_calls: Vec<DriverCalls>,
}

/// Calls of the driver for one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverCalls {
    /// The operation in a few words, the same in each version: `record hits`, `select victims`.
    pub operation: &'static str,
    /// Number of calls.
    pub calls: u64,
    /// Number of calls that failed, were refused or could not be made.
    pub failures: u64,
    /// Total time of the calls, including waits for other calls.
    pub time: Duration,
    /// Time of the longest call.
    pub longest: Duration,
}

/// The counters, shared by the parts of the cache.
#[derive(Debug, Default)]
pub(crate) struct CacheMetrics {
    counters: Mutex<Counters>,
    /// Atomic, because they change at each read of a reader and at each chunk of a fetch.
    pub bytes_from_cache: AtomicU64,
    pub bytes_from_fetches: AtomicU64,
    pub bytes_fetched: AtomicU64,
}

impl CacheMetrics {
    /// The counters, locked until the guard is dropped.
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    /// Counts a fill that failed because of the cache.
    pub fn record_failure(&self, reason: &'static str) {
        let mut counters = self.counters();
        counters.cache_failures += 1;
        *counters.cache_failures_by_reason.entry(reason).or_default() += 1;
    }

    /// Counts one call of the driver.
    pub fn record_call(&self, operation: &'static str, took: Duration, failed: bool) {
        let calls = &mut self.counters().driver_calls;
        // The same text is usually the same constant.
        let is_same = |known: &DriverCalls| std::ptr::eq(known.operation, operation);
        let has_text = |known: &DriverCalls| known.operation == operation;
        let known = calls.iter().position(is_same).or_else(|| calls.iter().position(has_text));
        let at = match known {
            Some(at) => at,
            None => {
                calls.push(DriverCalls { operation, ..DriverCalls::default() });
                calls.len() - 1
            }
        };
        calls[at].add(took, failed);
    }

    pub fn snapshot(&self) -> Counters {
        Counters {
            bytes_from_cache: self.bytes_from_cache.load(Ordering::Relaxed),
            bytes_from_fetches: self.bytes_from_fetches.load(Ordering::Relaxed),
            bytes_fetched: self.bytes_fetched.load(Ordering::Relaxed),
            ..self.counters().clone()
        }
    }
}

impl DriverCalls {
    fn add(&mut self, took: Duration, failed: bool) {
        self.calls += 1;
        self.failures += u64::from(failed);
        self.time += took;
        self.longest = self.longest.max(took);
    }
}
