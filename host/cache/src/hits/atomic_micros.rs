//! A time that threads read and change without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A duration in whole microseconds.
#[derive(Debug)]
pub(super) struct AtomicMicros(AtomicU64);

impl AtomicMicros {
    pub fn new(time: Duration) -> AtomicMicros {
        AtomicMicros(AtomicU64::new(micros(time)))
    }

    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    pub fn set(&self, time: Duration) {
        self.0.store(micros(time), Ordering::Relaxed);
    }
}

/// A time between 0 and a microsecond must not become 0, which has a meaning of its own.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX)
}
