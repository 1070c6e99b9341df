//! A page of metrics, built from values.

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric, Registry};
use std::fmt::Debug;

/// Names and values that tell one metric of a family from the others.
pub type MetricLabels = Vec<(&'static str, String)>;

/// A page of metrics.
pub struct MetricsPage(Registry);

impl MetricsPage {
    pub fn new() -> MetricsPage {
        MetricsPage(Registry::with_prefix("image_cache"))
    }

    /// The page as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // It fails only if the writer does, and a string never does.
        let _ = encode(&mut text, &self.0);
        text
    }

    fn add(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register(name, help, metric);
    }

    pub fn count(&mut self, name: &str, help: &str, value: u64) {
        self.add(name, help, ConstCounter::new(value));
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.add(name, help, ConstGauge::new(value));
    }

    pub fn counts(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (MetricLabels, u64)>,
    ) {
        let family = Family::<MetricLabels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.add(name, help, family);
    }

    pub fn labelled<M>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (MetricLabels, f64)>,
        set: impl Fn(&M, f64),
    ) where
        M: EncodeMetric + TypedMetric + Default + Debug + Send + Sync + 'static,
    {
        let family = Family::<MetricLabels, M>::default();
        for (labels, value) in values {
            set(&family.get_or_create(&labels), value);
        }
        self.add(name, help, family);
    }
}
