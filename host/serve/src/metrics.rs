//! The service's metrics, in the format of Prometheus.

mod labelled;
mod scrape;

pub use scrape::scrape;

use super::cache_status::CacheStatus;
use super::connections::Connections;
use super::descriptors::Descriptors;
use hyper::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::{Arc, OnceLock};

/// Counters that differ in the value of one label.
type CountersByLabel = Family<[(&'static str, &'static str); 1], Counter>;

/// The values of X-Cache; the last one is for responses without it.
const ORIGINS: [&str; 5] = ["hit", "miss", "shared", "bypass", "none"];

/// The classes of statuses.
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts the service's operations; the cache counts its own.
#[derive(Debug, Default)]
pub struct ServeMetrics {
    /// Responses by their X-Cache.
    answers: CountersByLabel,
    /// The bytes of their bodies.
    bytes: CountersByLabel,
    /// Responses by the first digit of their status.
    statuses: CountersByLabel,
    /// Responses by what the cache did, and why.
    reasons: CountersByLabel,
    broken_off: Counter,
    /// Queued images that the service has fetched.
    pub prefetched: Counter,
    /// Failed attempts to fetch a queued image.
    pub prefetch_failures: Counter,
    /// The connections and descriptors, when the service listens.
    pub listeners: OnceLock<Listeners>,
}

/// The connections of both listeners, and the descriptors of the process.
#[derive(Debug)]
pub struct Listeners {
    pub clients: Arc<Connections>,
    pub admin: Arc<Connections>,
    pub descriptors: Arc<Descriptors>,
}

impl ServeMetrics {
    /// Creates the counters that are shown before they have counted anything.
    fn make_zeros(&self) {
        for origin in ORIGINS {
            drop(self.answers.get_or_create(&[("cache", origin)]));
            drop(self.bytes.get_or_create(&[("cache", origin)]));
        }
        for class in STATUSES {
            drop(self.statuses.get_or_create(&[("class", class)]));
        }
    }

    /// Counts a response that has ended: its status, the bytes of its body that were sent, and whether the body is complete.
    pub fn count_response(
        &self,
        status: StatusCode,
        cache: Option<CacheStatus>,
        bytes: u64,
        is_whole: bool,
    ) {
        let origin = [("cache", cache.and_then(CacheStatus::x_cache).unwrap_or("none"))];
        self.answers.get_or_create(&origin).inc();
        self.bytes.get_or_create(&origin).inc_by(bytes);
        if let Some(cache) = cache {
            self.reasons.get_or_create(&[("reason", cache.reason())]).inc();
        }
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len());
        self.statuses.get_or_create(&[("class", STATUSES[class - 1])]).inc();
        if !is_whole {
            self.broken_off.inc();
        }
    }
}
