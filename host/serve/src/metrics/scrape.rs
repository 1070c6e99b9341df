//! All metrics at one time, as text.

use super::labelled::LabelledMetrics;
use super::{Listeners, ServeMetrics};
use crate::descriptors;
use image_cache::{
    CachedImage, Counters, DriverCalls, DriverMetric, ImageCache, MetricValue, Status,
};
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::time::SystemTime;

/// A metric: its name, its help text, and its value.
type Row<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// The cache's counters.
const COUNTS: [Row<Counters, u64>; 15] = [
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

/// The cache's state now; a metric without a value is omitted.
const GAUGES: [Row<Status, Option<u64>>; 10] = [
    ("cached_images", "Images in the cache", |it| Some(it.cached.images)),
    ("cached_bytes", "Bytes in the cache", |it| Some(it.cached.bytes)),
    ("limit_bytes", "image_cache_max_size", |it| Some(it.max_size)),
    ("limit_images", "image_cache_max_images", |it| it.max_images),
    ("incomplete_images", "Files of running or interrupted fetches", |it| Some(it.incomplete)),
    ("invalid_images", "Files of failed fetches", |it| Some(it.invalid)),
    ("free_inodes", "Free inodes of the file system", |it| it.free_inodes),
    ("min_free_inodes", "image_cache_min_free_inodes", |it| {
        Some(it.min_free_inodes).filter(|kept| *kept > 0)
    }),
    ("driver_fallback", "1 if sqlite replaces the configured driver", |it| {
        Some(it.driver.fallback.is_some().into())
    }),
    ("queued_images", "Images in the queue", |it| Some(it.queued)),
];

/// The metrics of the service and of the cache. Reads the record of every image, and may block.
pub fn scrape(metrics: &ServeMetrics, cache: &ImageCache) -> image_cache::Result<String> {
    let (counters, status) = (cache.counters(), cache.status()?);
    let images = cache.cached_images()?;
    let mut page = Registry::with_prefix("image_cache");
    add_responses(&mut page, metrics);
    if let Some(listeners) = metrics.listeners.get() {
        add_listeners(&mut page, listeners);
    }
    for (name, help, value) in COUNTS {
        page.register(name, help, ConstCounter::new(value(&counters)));
    }
    add_sources(&mut page, &counters);
    add_driver(&mut page, &counters, &status);
    add_driver_metrics(&mut page, &status.driver.name, cache.driver_metrics());
    for (name, help, value) in GAUGES {
        if let Some(value) = value(&status) {
            page.register(name, help, ConstGauge::new(value as f64));
        }
    }
    add_oldest(&mut page, &images);
    let mut text = String::new();
    // It fails only if the writer fails, and a string never does.
    let _ = encode(&mut text, &page);
    Ok(text)
}

fn add_responses(page: &mut Registry, metrics: &ServeMetrics) {
    metrics.make_zeros();
    page.register(
        "answers",
        "Responses of both listeners by their X-Cache: hit, miss, shared, bypass; none: not about an image",
        metrics.answers.clone(),
    );
    page.register(
        "answered_bytes",
        "Bytes of response bodies by where they came from: hit from the cache, shared from a running fetch, miss and bypass from the upstream",
        metrics.bytes.clone(),
    );
    page.register(
        "answers_by_reason",
        "Responses about images by what the cache did, and why it was bypassed",
        metrics.reasons.clone(),
    );
    page.register(
        "answers_by_status",
        "Responses by the class of their status",
        metrics.statuses.clone(),
    );
    for (name, help, counter) in [
        ("answers_broken_off", "Responses that were interrupted", &metrics.broken_off),
        ("prefetched", "Queued images that the service fetched", &metrics.prefetched),
        (
            "prefetch_failures",
            "Failed attempts to fetch a queued image",
            &metrics.prefetch_failures,
        ),
    ] {
        page.register(name, help, counter.clone());
    }
}

fn add_listeners(page: &mut Registry, listeners: &Listeners) {
    let counts = [("clients", listeners.clients.counts()), ("admin", listeners.admin.counts())];
    let states = counts.iter().flat_map(|(listener, counts)| {
        let states = [("busy", counts.busy), ("idle", counts.idle), ("waiting", counts.waiting)];
        states.map(|(state, count)| {
            let labels = [("listener", *listener), ("state", state)];
            let labels = labels.map(|(name, value)| (name.into(), value.to_owned()));
            (labels.to_vec(), ConstGauge::new(count as f64))
        })
    });
    page.register(
        "connections",
        "Connections by state: busy, idle (between two requests, or before the first), waiting (accepted, without room yet)",
        LabelledMetrics(states.collect()),
    );
    let limits = counts.map(|(listener, counts)| (listener, ConstGauge::new(counts.limit as f64)));
    page.register(
        "connections_limit",
        "The limit of connections: --max-connections, or fewer if the limit of descriptors is too low",
        LabelledMetrics::by("listener", limits),
    );
    let closed = counts.map(|(listener, counts)| (listener, ConstCounter::new(counts.closed_idle)));
    page.register(
        "idle_connections_closed",
        "Idle connections closed to make room for others",
        LabelledMetrics::by("listener", closed),
    );
    let limit = ConstGauge::new(listeners.descriptors.limit() as f64);
    page.register("descriptors_limit", "The limit of file descriptors", limit);
    if let Some(in_use) = descriptors::count() {
        let in_use = ConstGauge::new(in_use as f64);
        page.register("descriptors_in_use", "Open file descriptors", in_use);
    }
}

/// The cache's counters by source or by reason, and the running fetches.
fn add_sources(page: &mut Registry, counters: &Counters) {
    let running = ConstGauge::new(counters.fills_running as f64);
    page.register("fills_in_flight", "Fetches that are filling the cache", running);
    let bytes = [
        ("cache", counters.bytes_from_cache),
        ("fetch", counters.bytes_from_fetches),
        ("upstream", counters.bytes_fetched),
    ];
    page.register(
        "bytes",
        "Bytes by source: from cached images, from running fetches, from the upstream into the cache",
        LabelledMetrics::by("source", bytes.map(|(name, count)| (name, ConstCounter::new(count)))),
    );
    let spared = [
        ("not_needed", counters.victims_not_needed),
        ("too_young", counters.victims_too_young),
        ("beyond_half", counters.victims_beyond_half),
    ];
    page.register(
        "victims_spared",
        "Images that the driver named for eviction but that were not evicted: not_needed, too_young, beyond_half of the cache",
        by_reason(spared),
    );
    page.register(
        "cache_failures_by_reason",
        "Fills that failed because of the cache, by the reason; a reason that never occurred is missing",
        by_reason(counters.cache_failures_by_reason.iter().map(|(reason, count)| (*reason, *count))),
    );
}

fn by_reason(
    counts: impl IntoIterator<Item = (&'static str, u64)>,
) -> LabelledMetrics<ConstCounter<u64>> {
    let counts = counts.into_iter();
    LabelledMetrics::by("reason", counts.map(|(reason, count)| (reason, ConstCounter::new(count))))
}

fn add_driver(page: &mut Registry, counters: &Counters, status: &Status) {
    fn of_calls<M>(counters: &Counters, metric: fn(&DriverCalls) -> M) -> LabelledMetrics<M> {
        let calls = counters.driver_calls.iter();
        LabelledMetrics::by("operation", calls.map(|calls| (calls.operation, metric(calls))))
    }
    page.register(
        "driver_calls",
        "Calls to the driver",
        of_calls(counters, |calls| ConstCounter::new(calls.calls)),
    );
    page.register(
        "driver_call_failures",
        "Failed calls to the driver",
        of_calls(counters, |calls| ConstCounter::new(calls.failures)),
    );
    page.register(
        "driver_call_seconds",
        "Total time of calls to the driver",
        of_calls(counters, |calls| ConstCounter::new(calls.time.as_secs_f64())),
    );
    page.register(
        "driver_call_longest_seconds",
        "The longest call to the driver so far",
        of_calls(counters, |calls| ConstGauge::new(calls.longest.as_secs_f64())),
    );
    let driver = &status.driver;
    let labels =
        vec![("name".into(), driver.name.clone()), ("version".into(), driver.version.clone())];
    let info = LabelledMetrics(vec![(labels, ConstGauge::new(1.0))]);
    page.register("driver_info", "The driver in use", info);
}

/// The driver's own counters and gauges; the engine has checked and limited them.
fn add_driver_metrics(page: &mut Registry, driver: &str, metrics: Vec<DriverMetric>) {
    for series in metrics.chunk_by(|a, b| a.name == b.name) {
        let (mut counters, mut gauges) = (Vec::new(), Vec::new());
        for metric in series {
            let own =
                metric.labels.iter().map(|(name, value)| (name.clone().into(), value.clone()));
            let labels = own.chain([("driver".into(), driver.to_owned())]).collect();
            match metric.value {
                MetricValue::Counter(count) => counters.push((labels, ConstCounter::new(count))),
                MetricValue::Gauge(value) => gauges.push((labels, ConstGauge::new(value))),
            }
        }
        let name = format!("driver_metric_{}", series[0].name);
        if counters.is_empty() {
            page.register(name, "Measured by the driver", LabelledMetrics(gauges));
        } else {
            page.register(name, "Counted by the driver", LabelledMetrics(counters));
        }
    }
}

fn add_oldest(page: &mut Registry, images: &[CachedImage]) {
    if let Some(oldest) = images.iter().map(|image| image.last_accessed).min() {
        let age = SystemTime::now().duration_since(oldest).unwrap_or_default();
        page.register(
            "least_recently_used_age_seconds",
            "Time since the least recently used image was used",
            ConstGauge::new(age.as_secs_f64()),
        );
    }
}
