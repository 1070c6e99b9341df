//! The capability `metrics`: counters and gauges of a driver, limited in number and in the length of their names.

use image_cache_model::printable;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Maximum number of series of one driver.
pub const MAX_SERIES: usize = 200;

/// Maximum number of labels of a series.
const MAX_LABELS: usize = 4;

/// Maximum length of a name, and of a label's value, in bytes.
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 64;

/// The label that the host adds.
const DRIVER: &str = "driver";

/// The value of a driver's metric.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A number that only grows.
    Counter(u64),
    /// A number that was measured.
    Gauge(f64),
}

/// One series of a driver's metrics.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DriverMetric {
    /// Its name: lower-case ASCII letters, digits and `_`, beginning with a letter.
    pub name: String,
    /// Names and values of its labels, ascending by name.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: MetricValue,
}

/// The metrics of one driver. They outlive its instances.
#[derive(Debug, Clone)]
pub struct DriverMetrics {
    driver: String,
    series: BTreeMap<(String, Vec<(String, String)>), MetricValue>,
    /// What was wrong with the first metric that was ignored.
    fault: Option<String>,
}

impl DriverMetrics {
    pub fn new(driver: &str) -> DriverMetrics {
        DriverMetrics { driver: driver.into(), series: BTreeMap::new(), fault: None }
    }

    /// All series, ascending by name and labels.
    pub fn list(&self) -> Vec<DriverMetric> {
        let mut list = Vec::with_capacity(self.series.len());
        for ((name, labels), value) in &self.series {
            list.push(DriverMetric { name: name.clone(), labels: labels.clone(), value: *value });
        }
        list
    }

    /// What was wrong with the first metric that was ignored, if one was.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Adds to a counter.
    pub fn add(&mut self, name: String, labels: Vec<(String, String)>, delta: u64) {
        self.update(name, labels, MetricValue::Counter(0), |value| match value {
            MetricValue::Counter(count) => *count = count.saturating_add(delta),
            MetricValue::Gauge(_) => {}
        });
    }

    /// Sets a gauge; a value that is not finite is ignored.
    pub fn set(&mut self, name: String, labels: Vec<(String, String)>, measured: f64) {
        if measured.is_finite() {
            self.update(name, labels, MetricValue::Gauge(0.0), |value| {
                *value = MetricValue::Gauge(measured);
            });
        }
    }

    fn update(
        &mut self,
        name: String,
        mut labels: Vec<(String, String)>,
        new: MetricValue,
        change: impl FnOnce(&mut MetricValue),
    ) {
        labels.sort();
        if let Err(fault) = self.check(&name, &labels, new) {
            return self.note_fault(&name, &fault);
        }
        let count = self.series.len();
        match self.series.entry((name, labels)) {
            Entry::Occupied(known) => change(known.into_mut()),
            Entry::Vacant(place) if count < MAX_SERIES => change(place.insert(new)),
            Entry::Vacant(place) => {
                let name = place.key().0.clone();
                self.note_fault(&name, &format!("the driver has {MAX_SERIES} series already"));
            }
        }
    }

    fn check(
        &self,
        name: &str,
        labels: &[(String, String)],
        new: MetricValue,
    ) -> Result<(), String> {
        let is_name = |name: &str| {
            let is_of = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            name.len() <= MAX_NAME
                && name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(is_of)
        };
        // Counters are shown with this ending: a gauge with it would have the name of a counter.
        if name.ends_with("_total") {
            return Err("the host adds _total to the names of counters".into());
        }
        if !is_name(name) || labels.iter().any(|(label, _)| !is_name(label)) {
            return Err(format!(
                "a name has 1 to {MAX_NAME} lower-case letters, digits and _, and begins with a letter"
            ));
        }
        if labels.len() > MAX_LABELS || labels.iter().any(|(_, value)| value.len() > MAX_VALUE) {
            return Err(format!(
                "there are at most {MAX_LABELS} labels with values of at most {MAX_VALUE} bytes"
            ));
        }
        let is_twice = labels.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if is_twice || labels.iter().any(|(label, _)| label == DRIVER) {
            return Err(format!("no label occurs twice, and {DRIVER} is the host's"));
        }
        // The series of one name are neighbours.
        let from = (name.to_owned(), Vec::new());
        let known = self.series.range(from..).next().filter(|((known, _), _)| known == name);
        match (known.map(|(_, value)| *value), new) {
            (Some(MetricValue::Counter(_)), MetricValue::Gauge(_)) => Err("it is a counter".into()),
            (Some(MetricValue::Gauge(_)), MetricValue::Counter(_)) => Err("it is a gauge".into()),
            _ => Ok(()),
        }
    }

    fn note_fault(&mut self, name: &str, fault: &str) {
        if self.fault.is_none() {
            let (driver, name) = (self.driver.as_str(), printable(name, MAX_NAME));
            tracing::warn!(
                driver,
                "the driver's metric {name:?} was ignored: {fault}; further ones are ignored without a message"
            );
            self.fault = Some(format!("{name:?}: {fault}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn counters_add_up_by_their_labels_and_gauges_are_replaced() {
        let mut metrics = DriverMetrics::new("quota");
        metrics.add("refused".into(), labels(&[("tenant", "a")]), 2);
        metrics.add("refused".into(), labels(&[("tenant", "a")]), 3);
        metrics.add("refused".into(), labels(&[("tenant", "b")]), u64::MAX);
        metrics.add("refused".into(), labels(&[("tenant", "b")]), 1);
        metrics.set("fill".into(), Vec::new(), 0.25);
        metrics.set("fill".into(), Vec::new(), 0.5);
        metrics.set("fill".into(), Vec::new(), f64::NAN);
        let values: Vec<MetricValue> = metrics.list().iter().map(|one| one.value).collect();
        let expected =
            [MetricValue::Gauge(0.5), MetricValue::Counter(5), MetricValue::Counter(u64::MAX)];
        assert_eq!(values, expected);
    }

    #[test]
    fn names_labels_and_kinds_are_checked() {
        let mut metrics = DriverMetrics::new("hostile");
        metrics.add("good".into(), Vec::new(), 1);
        for name in ["", "Bad", "1st", "a-b", "a_total", "a\"} 1\n", &"a".repeat(65)] {
            metrics.add(name.into(), Vec::new(), 1);
        }
        metrics.set("good".into(), Vec::new(), 1.0);
        metrics.set("good".into(), labels(&[("tenant", "a")]), 1.0);
        for wrong in [
            labels(&[("driver", "sqlite")]),
            labels(&[("a", "1"), ("a", "2")]),
            labels(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")]),
            labels(&[("a", &"v".repeat(65))]),
        ] {
            metrics.add("good".into(), wrong, 1);
        }
        let good = DriverMetric {
            name: "good".into(),
            labels: Vec::new(),
            value: MetricValue::Counter(1),
        };
        assert_eq!(metrics.list(), [good]);
        assert!(metrics.fault().is_some_and(|fault| fault.starts_with("\"\": ")));
    }

    #[test]
    fn the_number_of_series_is_limited() {
        let mut metrics = DriverMetrics::new("hostile");
        for number in 0..MAX_SERIES + 50 {
            metrics.add("seen".into(), labels(&[("image", &number.to_string())]), 1);
        }
        metrics.add("seen".into(), labels(&[("image", "0")]), 1);
        assert_eq!(metrics.list().len(), MAX_SERIES);
        assert_eq!(metrics.list()[0].value, MetricValue::Counter(2));
    }
}
