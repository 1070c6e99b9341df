//! Limits a warning whose cause can last: it is logged when its subject changes, and otherwise once in a while.

use image_cache_store::sync::lock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// When a warning was last logged, and about what.
#[derive(Debug)]
pub(crate) struct RepeatedWarning<T>(Mutex<Option<(T, Instant)>>);

impl<T: PartialEq> RepeatedWarning<T> {
    /// Whether the warning is due at `now`: it is about another subject than the last one, or that was `interval` ago. The caller
    /// then logs it.
    pub fn is_due(&self, subject: T, interval: Duration, now: Instant) -> bool {
        let mut last = lock(&self.0);
        let is_repeated = last.as_ref().is_some_and(|(about, at)| {
            *about == subject && now.saturating_duration_since(*at) < interval
        });
        if !is_repeated {
            *last = Some((subject, now));
        }
        !is_repeated
    }
}

impl<T> Default for RepeatedWarning<T> {
    fn default() -> Self {
        RepeatedWarning(Mutex::new(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_due_when_its_subject_changes_and_after_the_interval() {
        let (warning, start) = (RepeatedWarning::default(), Instant::now());
        let due = [(1, 0), (1, 59), (2, 59), (2, 118), (2, 119), (1, 119)].map(|(subject, at)| {
            warning.is_due(subject, Duration::from_secs(60), start + Duration::from_secs(at))
        });
        assert_eq!(due, [true, false, true, false, true, true]);
    }
}
