//! Counts a driver's failures, and says when they are too many.

use crate::sync::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// So many failures of one operation in a row, within [`WINDOW`], replace a driver. A success takes one away, so that a
/// driver which fails twice for each time it does not goes, too. Each operation is counted for itself: a driver that can
/// do all but name victims fills the disk.
pub(super) const FAILURES: usize = 3;

/// What lies further back is forgiven.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// When each operation failed, the latest last.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<BTreeMap<&'static str, VecDeque<Instant>>>);

impl Breaker {
    pub fn note_success(&self, operation: &'static str) {
        let mut failures = lock(&self.0);
        if let Some(times) = failures.get_mut(operation) {
            times.pop_front();
            if times.is_empty() {
                failures.remove(operation);
            }
        }
    }

    /// Counts a failure; whether it was one too many.
    pub fn note_failure(&self, operation: &'static str, now: Instant) -> bool {
        let mut failures = lock(&self.0);
        let times = failures.entry(operation).or_default();
        times.retain(|time| now.saturating_duration_since(*time) <= WINDOW);
        times.push_back(now);
        times.len() >= FAILURES
    }

    /// Another driver begins with a clean slate.
    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_within_a_minute_are_too_many_and_three_in_a_day_are_not() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!breaker.note_failure("list", now));
        assert!(!breaker.note_failure("list", after(59)));
        assert!(!breaker.note_failure("list", after(61)), "the first one is forgiven");
        assert!(!breaker.note_failure("prune", after(62)), "another operation");
        assert!(breaker.note_failure("list", after(63)));
    }

    #[test]
    fn a_success_takes_a_failure_away() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            assert!(!breaker.note_failure("list", now));
            breaker.note_success("list");
        }
        assert!(!breaker.note_failure("list", now));
        assert!(!breaker.note_failure("list", now));
        breaker.note_success("list");
        assert!(!breaker.note_failure("list", now));
        assert!(breaker.note_failure("list", now), "two failures for each success are too many");
    }
}
