//! Counts a driver's failures and detects when there are too many.

use image_cache_store::sync::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Failures of one operation within [`WINDOW`] after which a driver is replaced. A success removes only one failure, so a driver
/// with two failures for each success is replaced, too. Each operation is counted separately: a driver that fails only to name
/// victims would fill the disk.
const FAILURES: usize = 3;

/// Older failures are ignored.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// How much a failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureCost {
    Single,
    /// It took much of the time limit of a call, so that three such failures would delay the caller for too long.
    Double,
}

/// The times and costs of each operation's failures, oldest first.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<BTreeMap<&'static str, VecDeque<(Instant, FailureCost)>>>);

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

    /// Counts a failure; if there are too many now, returns their number.
    pub fn note_failure(
        &self,
        operation: &'static str,
        cost: FailureCost,
        now: Instant,
    ) -> Option<usize> {
        let mut failures = lock(&self.0);
        let times = failures.entry(operation).or_default();
        times.retain(|(time, _)| now.saturating_duration_since(*time) <= WINDOW);
        times.push_back((now, cost));
        let double = times.iter().filter(|(_, cost)| *cost == FailureCost::Double).count();
        (times.len() + double >= FAILURES).then_some(times.len())
    }

    /// Whether the operation failed so slowly that its next call gets less time.
    pub fn is_deadline_reduced(&self, operation: &'static str) -> bool {
        let is_double = |(time, cost): &(Instant, FailureCost)| {
            *cost == FailureCost::Double && time.elapsed() <= WINDOW
        };
        lock(&self.0).get(operation).is_some_and(|times| times.iter().any(is_double))
    }

    /// Clears the failures, for another driver.
    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a quick failure is one too many.
    fn fails(breaker: &Breaker, operation: &'static str, now: Instant) -> bool {
        breaker.note_failure(operation, FailureCost::Single, now).is_some()
    }

    #[test]
    fn three_failures_within_a_minute_are_too_many_and_three_in_a_day_are_not() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!fails(&breaker, "list", now));
        assert!(!fails(&breaker, "list", after(59)));
        assert!(!fails(&breaker, "list", after(61)), "the first one is too old");
        assert!(!fails(&breaker, "prune", after(62)), "another operation");
        assert!(fails(&breaker, "list", after(63)));
    }

    #[test]
    fn two_failures_that_took_long_are_too_many_and_one_is_not() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.note_failure("list", FailureCost::Double, now), None);
        assert!(breaker.is_deadline_reduced("list") && !breaker.is_deadline_reduced("prune"));
        assert_eq!(breaker.note_failure("list", FailureCost::Double, now), Some(2));
        breaker.reset();
        assert!(!breaker.is_deadline_reduced("list"));
        let breaker = Breaker::default();
        assert_eq!(breaker.note_failure("list", FailureCost::Double, now), None);
        assert_eq!(breaker.note_failure("list", FailureCost::Single, now), Some(2));
    }

    #[test]
    fn a_success_removes_one_failure() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            assert!(!fails(&breaker, "list", now));
            breaker.note_success("list");
        }
        assert!(!fails(&breaker, "list", now));
        assert!(!fails(&breaker, "list", now));
        breaker.note_success("list");
        assert!(!fails(&breaker, "list", now));
        assert!(fails(&breaker, "list", now), "two failures for each success are too many");
    }
}
