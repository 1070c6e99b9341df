//! The counters as a list of metrics.

use super::{CacheMetric, Counters, DriverCalls};

/// A counter: its name, its help text, and its value.
type Row = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTS: [Row; 15] = [
    ("hits", "Reads of cached images that reached the end", |it| it.hits),
    ("misses", "Reads through the upstream", |it| it.misses),
    ("shared", "Reads that joined a running fetch", |it| it.shared),
    ("bypasses", "Misses that bypassed the cache", |it| it.passed),
    ("fills_cached", "Fetches that ended with the image in the cache", |it| it.fills_cached),
    ("fills_abandoned", "Fetches that no client read any more", |it| it.fills_abandoned),
    ("upstream_failures", "Fetches that the upstream interrupted", |it| it.source_failures),
    ("checksum_failures", "Fetches that did not match the checksum", |it| it.checksum_failures),
    ("size_failures", "Fetches whose size was not the expected one", |it| it.size_failures),
    ("cache_failures", "Fills that failed because of the cache", |it| it.cache_failures),
    ("corrupt_blocks", "Damaged blocks found in cached images", |it| it.corrupt_blocks),
    ("corrupt_images", "Images that were removed from the cache because they were damaged", |it| {
        it.corrupt_images
    }),
    ("evictions", "Evicted images", |it| it.evictions),
    ("evicted_bytes", "Bytes of evicted images", |it| it.bytes_evicted),
    ("driver_fallbacks", "Failovers from the configured driver to sqlite", |it| it.fallbacks),
];

impl Counters {
    /// All counters with their names and help texts, for an exporter. Metrics with the same name follow each other. The service
    /// exports the same list.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache, MetricNumber};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
    /// let metrics = cache.counters().metrics();
    /// let fetched = metrics.iter().find(|it| it.label == Some(("source", "upstream")));
    /// assert_eq!(fetched.map(|it| (it.name, it.value)), Some(("bytes", MetricNumber::Integer(8))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(&self) -> Vec<CacheMetric> {
        let counts =
            COUNTS.iter().map(|&(name, help, of)| CacheMetric::counter(name, help, of(self)));
        let mut metrics: Vec<CacheMetric> = counts.collect();
        metrics.push(CacheMetric::gauge(
            "fills_in_flight",
            "Fetches that are filling the cache",
            self.fills_running,
        ));
        metrics.extend(self.by_label());
        metrics.extend(of_calls(&self.driver_calls));
        metrics
    }

    /// The counters that differ in a label.
    fn by_label(&self) -> Vec<CacheMetric> {
        let bytes = |source, count| {
            let help = "Bytes by source: from cached images, from running fetches, from the upstream into the cache";
            CacheMetric::counter("bytes", help, count).with_label("source", source)
        };
        let spared = |reason, count| {
            let help = "Images that the driver named for eviction but that were not evicted: not_needed, too_young, beyond_half of the cache";
            CacheMetric::counter("victims_spared", help, count).with_label("reason", reason)
        };
        let failures = |(&reason, &count): (&&'static str, &u64)| {
            let help = "Fills that failed because of the cache, by the reason; a reason that never occurred is missing";
            let metric = CacheMetric::counter("cache_failures_by_reason", help, count);
            metric.with_label("reason", reason)
        };
        let mut metrics = vec![
            bytes("cache", self.bytes_from_cache),
            bytes("fetch", self.bytes_from_fetches),
            bytes("upstream", self.bytes_fetched),
            spared("not_needed", self.victims_not_needed),
            spared("too_young", self.victims_too_young),
            spared("beyond_half", self.victims_beyond_half),
        ];
        metrics.extend(self.cache_failures_by_reason.iter().map(failures));
        metrics
    }
}

/// The calls of the driver by operation: all numbers of calls, then all failures, and so on.
fn of_calls(calls: &[DriverCalls]) -> impl Iterator<Item = CacheMetric> + '_ {
    let series: [fn(&DriverCalls) -> CacheMetric; 4] = [
        |it| CacheMetric::counter("driver_calls", "Calls to the driver", it.calls),
        |it| {
            CacheMetric::counter("driver_call_failures", "Failed calls to the driver", it.failures)
        },
        |it| {
            let help = "Total time of calls to the driver";
            CacheMetric::counter("driver_call_seconds", help, 0).in_seconds(it.time.as_secs_f64())
        },
        |it| {
            let help = "The longest call to the driver so far";
            let metric = CacheMetric::gauge("driver_call_longest_seconds", help, 0);
            metric.in_seconds(it.longest.as_secs_f64())
        },
    ];
    series.into_iter().flat_map(move |metric| {
        calls.iter().map(move |it| metric(it).with_label("operation", it.operation))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MetricKind;
    use std::collections::BTreeSet;

    #[test]
    fn metrics_with_one_name_follow_each_other_and_no_two_have_the_same_label() {
        let calls = |operation| DriverCalls { operation, ..DriverCalls::default() };
        let failures = [("unwritable", 1), ("unreadable", 2)].into();
        let driver_calls = vec![calls("forget images"), calls("record hits")];
        let counters =
            Counters { driver_calls, cache_failures_by_reason: failures, ..Counters::default() };
        let metrics = counters.metrics();
        let names: BTreeSet<_> = metrics.iter().map(|it| it.name).collect();
        assert_eq!(metrics.chunk_by(|a, b| a.name == b.name).count(), names.len());
        let keys: BTreeSet<_> = metrics.iter().map(|it| (it.name, it.label)).collect();
        assert_eq!(keys.len(), metrics.len());
        let gauges = metrics.iter().filter(|it| it.kind == MetricKind::Gauge).count();
        assert_eq!(gauges, 1 + 2, "the running fills, and the longest call of two operations");
    }
}
