//! What a cache has done since it was opened, in numbers.

use image_cache_store::sync::lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What one open cache has done since it was opened, in this process; see
/// [`ImageCache::counters`](crate::ImageCache::counters).
///
/// Everything but [`fills_running`](Self::fills_running) only grows. Two of the numbers need not
/// belong to the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Reads that count as hits: a cached image, or a part of one, delivered to its end, or a fetch of
    /// another reader read along to its end.
    pub hits: u64,
    /// Reads through a source: the image was not to be had otherwise. Those of
    /// [`cache_image`](crate::ImageCache::cache_image), too.
    pub misses: u64,
    /// Those of the misses that went past the cache: the driver refused the image, the cache could not take
    /// it, or another writer was writing it.
    pub passed: u64,
    /// Reads that joined a running fetch, in this process or another.
    pub shared: u64,
    /// Bytes of cached images that were read, for tokio a block ahead of what was handed out.
    pub bytes_from_cache: u64,
    /// Bytes of running fetches that were handed out by the growing file, to the reader that began the fetch and to
    /// those that read along.
    pub bytes_from_fetches: u64,
    /// Bytes that came from sources.
    pub bytes_fetched: u64,
    /// Fetches that fill the cache now.
    pub fills_running: u64,
    /// Fetches that ended with the image in the cache.
    pub fills_cached: u64,
    /// Fetches that ended with an error of their source, however many readers heard of it.
    pub source_failures: u64,
    /// Fetches that nobody read any more, and were broken off.
    pub fills_abandoned: u64,
    /// Fetches that ended with bytes other than those that were promised, by their MD5.
    pub checksum_failures: u64,
    /// Fetches that ended with more or fewer bytes than were promised.
    pub size_failures: u64,
    /// Fills that the cache, not the source, broke off.
    pub cache_failures: u64,
    /// Blocks that were read and found damaged.
    pub corrupt_blocks: u64,
    /// Images that left the cache because they were found damaged.
    pub corrupt_images: u64,
    /// Images that were evicted, to make the cache small enough or by the driver's policy.
    pub evictions: u64,
    /// Bytes that they had.
    pub bytes_evicted: u64,
    /// Victims that the driver named beyond what had to go.
    pub victims_not_needed: u64,
    /// Victims of the driver's own policy that stayed, having been published or read lately.
    pub victims_too_young: u64,
    /// Victims of the driver's own policy that stayed, since more than half of the cache would have gone.
    pub victims_beyond_half: u64,
    /// Times that the built-in sqlite driver took the place of another one, at opening or later.
    pub fallbacks: u64,
    /// Calls of the driver, by what they were for; what was never called is not there.
    pub driver_calls: Vec<DriverCalls>,
}

/// Calls of the driver with one purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverCalls {
    /// The purpose, in a few words, the same in each version: `record hits`, `select victims`.
    pub operation: &'static str,
    /// How many calls were made.
    pub calls: u64,
    /// How many of them failed, were refused or could not be made.
    pub failures: u64,
    /// How long all of them took, waiting for other calls included.
    pub time: Duration,
    /// How long the longest of them took.
    pub longest: Duration,
}

/// Where they are counted.
#[derive(Debug, Default)]
pub(crate) struct CacheMetrics {
    counters: Mutex<Counters>,
    /// Atomic, because they change at each read of a reader and at each chunk of a fetch.
    pub bytes_from_cache: AtomicU64,
    pub bytes_from_fetches: AtomicU64,
    pub bytes_fetched: AtomicU64,
}

impl CacheMetrics {
    /// The counters, to count in them; locked until the answer is dropped.
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    /// One call of the driver.
    pub fn record_call(&self, operation: &'static str, took: Duration, failed: bool) {
        let calls = &mut self.counters().driver_calls;
        let at = match calls.iter().position(|known| known.operation == operation) {
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
