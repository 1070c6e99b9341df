//! The facade of the metrics: each with name, help text, kind, label and value, for any exporter.

/// One metric of a cache; see [`Counters::metrics`](crate::Counters::metrics) and [`Status::metrics`](crate::Status::metrics).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CacheMetric {
    /// Its name, as the service exports it after `image_cache_`; the same in each version. Prometheus appends `_total` to the names
    /// of counters.
    pub name: &'static str,
    /// What it counts or measures.
    pub help: &'static str,
    /// Whether it only increases.
    pub kind: MetricKind,
    /// The name and value of its label; metrics that share a name differ in the value.
    pub label: Option<(&'static str, &'static str)>,
    /// Its value.
    pub value: MetricNumber,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only increases while the cache is open.
    Counter,
    /// It may also decrease.
    Gauge,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum MetricNumber {
    /// A number of things or bytes.
    Integer(u64),
    /// A time in seconds.
    Seconds(f64),
}

impl MetricNumber {
    /// The value as a floating-point number, as most exporters want it; exact up to 2^53.
    pub fn as_f64(self) -> f64 {
        match self {
            MetricNumber::Integer(number) => number as f64,
            MetricNumber::Seconds(seconds) => seconds,
        }
    }
}

impl CacheMetric {
    pub(crate) fn counter(name: &'static str, help: &'static str, count: u64) -> CacheMetric {
        let (kind, value) = (MetricKind::Counter, MetricNumber::Integer(count));
        CacheMetric { name, help, kind, label: None, value }
    }

    pub(crate) fn gauge(name: &'static str, help: &'static str, value: u64) -> CacheMetric {
        CacheMetric { kind: MetricKind::Gauge, ..CacheMetric::counter(name, help, value) }
    }

    /// The same metric of another value of a label.
    pub(crate) fn with_label(self, name: &'static str, value: &'static str) -> CacheMetric {
        CacheMetric { label: Some((name, value)), ..self }
    }

    /// The same metric with a time.
    pub(crate) fn in_seconds(self, seconds: f64) -> CacheMetric {
        CacheMetric { value: MetricNumber::Seconds(seconds), ..self }
    }
}
