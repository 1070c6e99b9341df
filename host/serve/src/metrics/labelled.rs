//! Metrics that share a name and differ in their labels.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::borrow::Cow;
use std::fmt;

/// Label names and values that identify one metric among those with the same name.
type MetricLabels = Vec<(Cow<'static, str>, String)>;

/// The metrics with one name.
#[derive(Debug)]
pub struct LabelledMetrics<M>(pub Vec<(MetricLabels, M)>);

impl<M> LabelledMetrics<M> {
    /// Metrics that differ in the value of one label.
    pub fn by<'a>(
        label: &'static str,
        metrics: impl IntoIterator<Item = (&'a str, M)>,
    ) -> LabelledMetrics<M> {
        let metrics = metrics.into_iter();
        let labelled =
            metrics.map(|(value, metric)| (vec![(label.into(), value.to_owned())], metric));
        LabelledMetrics(labelled.collect())
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for LabelledMetrics<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, metric) in &self.0 {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
