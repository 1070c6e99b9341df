//! The results of `driver simulate`, as a table, as JSON and as curves of a plot.

use crate::output::{columns, short_size};
use image_cache_simulate::{Curve, Outcome, Reference};
use serde::Serialize;

/// The result of one policy with one size of the cache.
#[derive(Debug, Serialize)]
pub struct SimulationResult {
    driver: String,
    /// The size of the cache, in bytes.
    size: u64,
    requests: u64,
    bytes: u64,
    hits: u64,
    hit_bytes: u64,
    evictions: u64,
    refused: u64,
    /// The mean time of a call; none for a reference.
    call_microseconds: Option<f64>,
    #[serde(skip)]
    is_reference: bool,
    #[serde(skip)]
    outcome: Outcome,
}

impl SimulationResult {
    pub fn new(driver: String, is_reference: bool, size: u64, outcome: Outcome) -> Self {
        SimulationResult {
            driver,
            size,
            requests: outcome.requests,
            bytes: outcome.bytes,
            hits: outcome.hits,
            hit_bytes: outcome.hit_bytes,
            evictions: outcome.evictions,
            refused: outcome.refused,
            call_microseconds: outcome.call_micros(),
            is_reference,
            outcome,
        }
    }
}

pub fn table(results: &[SimulationResult], has_several_sizes: bool) -> String {
    let percent = |ratio: f64| format!("{:.2} %", ratio * 100.0);
    let row = |result: &SimulationResult| {
        [
            result.driver.clone(),
            short_size(result.size),
            result.requests.to_string(),
            short_size(result.bytes),
            percent(result.outcome.hit_ratio()),
            percent(result.outcome.byte_hit_ratio()),
            result.evictions.to_string(),
            result.refused.to_string(),
            result.call_microseconds.map_or("-".into(), |micros| format!("{micros:.1} µs")),
        ]
    };
    let header = [
        "DRIVER",
        "CACHE",
        "REQUESTS",
        "BYTES",
        "HITS",
        "HIT BYTES",
        "EVICTIONS",
        "REFUSED",
        "PER CALL",
    ];
    let table = columns(header, results.iter().map(row));
    let has_belady = results.iter().any(|result| result.driver == Reference::Belady.label());
    match has_belady && has_several_sizes {
        true => format!(
            "{table}\nreference:belady knows all future requests; sizes differ, so it is not the best possible."
        ),
        false => table,
    }
}

/// A curve for each policy, in the order of the results.
pub fn curves(results: &[SimulationResult]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for result in results {
        let point = (result.size, 1.0 - result.outcome.hit_ratio());
        match curves.last_mut().filter(|curve| curve.name == result.driver) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve {
                name: result.driver.clone(),
                is_reference: result.is_reference,
                points: vec![point],
            }),
        }
    }
    curves.iter_mut().for_each(|curve| curve.points.sort_by_key(|(size, _)| *size));
    curves
}
