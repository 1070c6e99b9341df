//! All metrics at one time, as text.

use super::labelled::LabelledMetrics;
use super::{Listeners, ServeMetrics};
use crate::descriptors;
use image_cache::{
    CacheMetric, CachedImage, DriverMetric, ImageCache, MetricKind, MetricNumber, MetricValue,
    Status,
};
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric, Registry};
use std::time::SystemTime;

/// The metrics of the service and of the cache. Reads the record of every image, and may block.
pub fn scrape(metrics: &ServeMetrics, cache: &ImageCache) -> image_cache::Result<String> {
    let (counters, status) = (cache.counters(), cache.status()?);
    let images = cache.cached_images()?;
    let mut page = Registry::with_prefix("image_cache");
    add_responses(&mut page, metrics);
    if let Some(listeners) = metrics.listeners.get() {
        add_listeners(&mut page, listeners);
    }
    add_cache(&mut page, &counters.metrics());
    add_cache(&mut page, &status.metrics());
    add_driver(&mut page, &status);
    add_driver_metrics(&mut page, &status.driver.name, cache.driver_metrics());
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

/// The metrics of the library, under its names.
fn add_cache(page: &mut Registry, metrics: &[CacheMetric]) {
    for series in metrics.chunk_by(|a, b| a.name == b.name) {
        match (series[0].kind, series[0].value) {
            (MetricKind::Counter, MetricNumber::Integer(_)) => {
                add_series(page, series, |value| ConstCounter::new(integer(value)));
            }
            (MetricKind::Counter, _) => {
                add_series(page, series, |value| ConstCounter::new(value.as_f64()));
            }
            _ => add_series(page, series, |value| ConstGauge::new(value.as_f64())),
        }
    }
}

/// The metrics with one name.
fn add_series<M>(page: &mut Registry, series: &[CacheMetric], metric: fn(MetricNumber) -> M)
where
    M: Metric + TypedMetric,
    LabelledMetrics<M>: Metric,
{
    let CacheMetric { name, help, label, value, .. } = series[0];
    match label {
        None => page.register(name, help, metric(value)),
        Some((label, _)) => {
            let of_value = |it: &CacheMetric| Some((it.label?.1, metric(it.value)));
            let labelled = LabelledMetrics::by(label, series.iter().filter_map(of_value));
            page.register(name, help, labelled);
        }
    }
}

/// The value of a counter of things, which is an integer.
fn integer(value: MetricNumber) -> u64 {
    match value {
        MetricNumber::Integer(number) => number,
        other => other.as_f64() as u64,
    }
}

fn add_driver(page: &mut Registry, status: &Status) {
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
                // The service has no type for it.
                _ => {}
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
