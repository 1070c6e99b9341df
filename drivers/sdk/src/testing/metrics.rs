//! The driver's counters and gauges, in memory and without limits.

use super::state::with;
pub use crate::bindings::image_cache::driver::metrics::Label;

/// Adds to a counter.
pub fn add_to_counter(name: &str, labels: &[Label], delta: u64) {
    with(|state| *state.metrics.entry(series(name, labels)).or_default() += delta as f64);
}

/// Sets a gauge.
pub fn set_gauge(name: &str, labels: &[Label], value: f64) {
    if value.is_finite() {
        with(|state| state.metrics.insert(series(name, labels), value));
    }
}

fn series(name: &str, labels: &[Label]) -> super::state::Series {
    let mut labels = labels.to_vec();
    labels.sort();
    (name.to_owned(), labels)
}
