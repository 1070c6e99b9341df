//! Results of the cache as plain values of Python.

use image_cache::{CachedImage, Counters, NotRemoved, Outcome};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::{SystemTime, UNIX_EPOCH};

/// A record: id, size, hits, last access, last modification, checksum.
pub type Record = (String, u64, u64, f64, f64, Option<String>);

/// An outcome: its word, the reason, and the word of the cache's failure.
pub type OutcomeParts = (&'static str, Option<String>, Option<&'static str>);

pub fn record(image: CachedImage) -> Record {
    let CachedImage { image_id, size, hits, last_accessed, last_modified, checksum, .. } = image;
    let checksum = checksum.map(|checksum| checksum.value().to_owned());
    (image_id.to_string(), size, hits, seconds(last_accessed), seconds(last_modified), checksum)
}

pub fn outcome(outcome: &Outcome) -> OutcomeParts {
    match outcome {
        Outcome::Cached(_) => ("cached", None, None),
        Outcome::AlreadyCached => ("already-cached", None, None),
        Outcome::BeingCached => ("being-cached", None, None),
        Outcome::RefusedByDriver(reason) => ("refused", reason.clone(), None),
        Outcome::CacheFailed(failure) => {
            ("failed", Some(failure.to_string()), Some(failure.name()))
        }
        // A later version of the library may have more.
        other => ("not-cached", Some(format!("{other:?}")), None),
    }
}

/// Images that an operation could not remove, with the reasons.
pub fn kept(kept: Vec<NotRemoved>) -> Vec<(String, String)> {
    kept.into_iter().map(|image| (image.image_id.to_string(), image.reason.to_string())).collect()
}

pub fn counters<'py>(py: Python<'py>, counters: &Counters) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in [
        ("hits", counters.hits),
        ("misses", counters.misses),
        ("passed", counters.passed),
        ("shared", counters.shared),
        ("bytes_from_cache", counters.bytes_from_cache),
        ("bytes_from_fetches", counters.bytes_from_fetches),
        ("bytes_fetched", counters.bytes_fetched),
        ("fills_running", counters.fills_running),
        ("fills_cached", counters.fills_cached),
        ("source_failures", counters.source_failures),
        ("fills_abandoned", counters.fills_abandoned),
        ("checksum_failures", counters.checksum_failures),
        ("size_failures", counters.size_failures),
        ("cache_failures", counters.cache_failures),
        ("corrupt_blocks", counters.corrupt_blocks),
        ("corrupt_images", counters.corrupt_images),
        ("evictions", counters.evictions),
        ("bytes_evicted", counters.bytes_evicted),
        ("fallbacks", counters.fallbacks),
    ] {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}

/// Seconds since the epoch, as `time.time()` counts them.
fn seconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
