//! All metrics of one moment, as text.

use super::ServeMetrics;
use super::page::{MetricLabels, MetricsPage};
use crate::cache_status::XCache;
use crate::descriptors::Descriptors;
use image_cache::{CachedImage, Counters, ImageCache, Status};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

/// The metrics of the service and of the cache. It reads the record of every image, and may block.
pub fn scrape(metrics: &ServeMetrics, cache: &ImageCache) -> image_cache::Result<String> {
    let (counters, status) = (cache.counters(), cache.status()?);
    let images = cache.cached_images()?;
    let mut page = MetricsPage::new();
    page.answers(metrics);
    page.listeners(metrics);
    page.reads(&counters);
    page.fills(&counters);
    page.driver(&counters, &status);
    page.cached(&status, &images);
    page.prefetched(metrics, &status);
    Ok(page.to_text())
}

impl MetricsPage {
    fn answers(&mut self, metrics: &ServeMetrics) {
        let names = XCache::ALL.map(XCache::name).into_iter().chain(["none"]);
        let labels: Vec<MetricLabels> =
            names.map(|name| vec![("cache", name.to_owned())]).collect();
        let by_label = |counts: &[super::Counter]| {
            let counts = counts.iter().map(super::Counter::get);
            labels.iter().cloned().zip(counts).collect::<Vec<_>>()
        };
        self.counts(
            "answers",
            "Answers to clients and operators by their X-Cache: hit, miss, shared, bypass; none: not about an image",
            by_label(&metrics.answers),
        );
        self.counts(
            "answered_bytes",
            "Bytes of their bodies by where they came from: hit from the cache, shared from a running fetch, miss and bypass from the upstream",
            by_label(&metrics.bytes),
        );
        let reasons = metrics.reasons();
        let reasons =
            reasons.into_iter().map(|(word, count)| (vec![("reason", word.to_owned())], count));
        self.counts(
            "answers_by_reason",
            "Answers about images by what the cache did, and why it was passed by",
            reasons,
        );
        let statuses = metrics.statuses.iter().enumerate().skip(1);
        self.counts(
            "answers_by_status",
            "Answers by the class of their status",
            statuses.map(|(class, count)| (vec![("class", format!("{class}xx"))], count.get())),
        );
        self.count(
            "answers_broken_off",
            "Answers that ended before their end",
            metrics.broken_off.get(),
        );
    }

    fn listeners(&mut self, metrics: &ServeMetrics) {
        let Some(listeners) = metrics.listeners.get() else { return };
        let counts = [("clients", listeners.clients.counts()), ("admin", listeners.admin.counts())];
        let of = |listener: &str| vec![("listener", listener.to_owned())];
        let states = counts.iter().flat_map(|(listener, counts)| {
            let states =
                [("busy", counts.busy), ("idle", counts.idle), ("waiting", counts.waiting)];
            states.map(|(state, count)| {
                let labels = [of(listener), vec![("state", state.to_owned())]].concat();
                (labels, count as f64)
            })
        });
        let set = |gauge: &Gauge<f64, AtomicU64>, value| {
            gauge.set(value);
        };
        self.labelled(
            "connections",
            "Connections by what they do: busy, idle (between two requests, or before the first), waiting (accepted, without room yet)",
            states,
            set,
        );
        self.labelled(
            "connections_limit",
            "Connections that there may be: --max-connections, or fewer where the descriptors carry fewer",
            counts.iter().map(|(listener, counts)| (of(listener), counts.limit as f64)),
            set,
        );
        self.counts(
            "idle_connections_closed",
            "Idle connections that were closed to make room for others",
            counts.iter().map(|(listener, counts)| (of(listener), counts.closed_idle)),
        );
        self.descriptors(&listeners.descriptors);
    }

    fn descriptors(&mut self, descriptors: &Descriptors) {
        self.gauge(
            "descriptors_limit",
            "File descriptors that there may be",
            descriptors.limit() as f64,
        );
        if let Some(in_use) = descriptors.in_use() {
            self.gauge("descriptors_in_use", "File descriptors that are open", in_use as f64);
        }
    }

    fn reads(&mut self, counters: &Counters) {
        for (name, help, value) in [
            ("hits", "Reads of cached images that came to their end", counters.hits),
            ("misses", "Reads through the upstream", counters.misses),
            ("shared", "Reads that joined a running fetch", counters.shared),
            ("bypasses", "Misses that went past the cache", counters.passed),
        ] {
            self.count(name, help, value);
        }
        let bytes = [
            ("cache", counters.bytes_from_cache),
            ("fetch", counters.bytes_from_fetches),
            ("upstream", counters.bytes_fetched),
        ];
        self.counts(
            "bytes",
            "Bytes by source: out of cached images, out of running fetches, out of the upstream into the cache",
            bytes.map(|(source, value)| (vec![("source", source.to_owned())], value)),
        );
    }

    fn fills(&mut self, counters: &Counters) {
        self.gauge(
            "fills_in_flight",
            "Fetches that fill the cache now",
            counters.fills_running as f64,
        );
        for (name, help, value) in [
            (
                "fills_cached",
                "Fetches that ended with the image in the cache",
                counters.fills_cached,
            ),
            ("fills_abandoned", "Fetches that nobody read any more", counters.fills_abandoned),
            ("upstream_failures", "Fetches that the upstream broke off", counters.source_failures),
            (
                "checksum_failures",
                "Fetches of other bytes than were promised",
                counters.checksum_failures,
            ),
            (
                "size_failures",
                "Fetches of more or fewer bytes than were promised",
                counters.size_failures,
            ),
            (
                "cache_failures",
                "Fills that the cache, not the upstream, broke off",
                counters.cache_failures,
            ),
            (
                "corrupt_blocks",
                "Blocks of cached images that were found damaged",
                counters.corrupt_blocks,
            ),
            (
                "corrupt_images",
                "Images that left the cache because they were damaged",
                counters.corrupt_images,
            ),
            ("evictions", "Images that were evicted", counters.evictions),
            ("evicted_bytes", "Bytes that they had", counters.bytes_evicted),
        ] {
            self.count(name, help, value);
        }
        self.spared(counters);
    }

    fn spared(&mut self, counters: &Counters) {
        let spared = [
            ("not_needed", counters.victims_not_needed),
            ("too_young", counters.victims_too_young),
            ("beyond_half", counters.victims_beyond_half),
        ];
        self.counts(
            "victims_spared",
            "Images that the driver named for eviction and that stayed: not_needed, too_young, beyond_half of the cache",
            spared.map(|(reason, value)| (vec![("reason", reason.to_owned())], value)),
        );
    }

    fn driver(&mut self, counters: &Counters, status: &Status) {
        let calls = || {
            let labels = |operation: &str| vec![("operation", operation.to_owned())];
            counters.driver_calls.iter().map(move |calls| (labels(calls.operation), calls))
        };
        self.counts(
            "driver_calls",
            "Calls of the driver",
            calls().map(|(labels, calls)| (labels, calls.calls)),
        );
        self.counts(
            "driver_call_failures",
            "Calls of the driver that failed",
            calls().map(|(labels, calls)| (labels, calls.failures)),
        );
        self.labelled::<Counter<f64, AtomicU64>>(
            "driver_call_seconds",
            "Time that calls of the driver took",
            calls().map(|(labels, calls)| (labels, calls.time.as_secs_f64())),
            |counter, seconds| {
                counter.inc_by(seconds);
            },
        );
        self.labelled::<Gauge<f64, AtomicU64>>(
            "driver_call_longest_seconds",
            "The longest call of the driver so far",
            calls().map(|(labels, calls)| (labels, calls.longest.as_secs_f64())),
            |gauge, seconds| {
                gauge.set(seconds);
            },
        );
        self.driver_in_use(counters, status);
    }

    fn driver_in_use(&mut self, counters: &Counters, status: &Status) {
        let driver = &status.driver;
        let labels = vec![("name", driver.name.clone()), ("version", driver.version.clone())];
        self.labelled::<Gauge<f64, AtomicU64>>(
            "driver_info",
            "The driver in use",
            [(labels, 1.0)],
            |gauge, value| {
                gauge.set(value);
            },
        );
        let fallback = if driver.fallback.is_some() { 1.0 } else { 0.0 };
        self.gauge(
            "driver_fallback",
            "1 where sqlite serves in place of the configured driver",
            fallback,
        );
        self.count(
            "driver_fallbacks",
            "Times that sqlite took the place of the driver",
            counters.fallbacks,
        );
    }

    fn cached(&mut self, status: &Status, images: &[CachedImage]) {
        for (name, help, value) in [
            ("cached_images", "Images in the cache", status.cached.images),
            ("cached_bytes", "Bytes in the cache", status.cached.bytes),
            ("limit_bytes", "image_cache_max_size", status.max_size),
            ("incomplete_images", "Files of fetches that run or broke off", status.incomplete),
            ("invalid_images", "Files of fetches that failed", status.invalid),
        ] {
            self.gauge(name, help, value as f64);
        }
        for (name, help, value) in [
            ("limit_images", "image_cache_max_images", status.max_images),
            ("free_inodes", "Inodes of the file system that are free", status.free_inodes),
            (
                "min_free_inodes",
                "image_cache_min_free_inodes",
                Some(status.min_free_inodes).filter(|kept| *kept > 0),
            ),
        ] {
            if let Some(value) = value {
                self.gauge(name, help, value as f64);
            }
        }
        let oldest = images.iter().map(|image| image.last_accessed).min();
        if let Some(oldest) = oldest {
            let age = SystemTime::now().duration_since(oldest).unwrap_or_default().as_secs_f64();
            self.gauge(
                "least_recently_used_age_seconds",
                "How long ago the least recently used image was used",
                age,
            );
        }
    }

    fn prefetched(&mut self, metrics: &ServeMetrics, status: &Status) {
        self.gauge("queued_images", "Images in the queue", status.queued as f64);
        self.count("prefetched", "Queued images that were fetched", metrics.prefetched.get());
        self.count(
            "prefetch_failures",
            "Attempts to fetch a queued image that failed",
            metrics.prefetch_failures.get(),
        );
    }
}
