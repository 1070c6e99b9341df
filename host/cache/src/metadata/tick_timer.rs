//! When the driver's timer is due.

use image_cache_store::sync::lock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The least time between two ticks.
const BETWEEN_TICKS: Duration = Duration::from_secs(1);

/// When the driver was last called regularly.
#[derive(Debug, Default)]
pub(super) struct TickTimer {
    last: Mutex<Option<Instant>>,
}

impl TickTimer {
    /// Whether the next tick is due; if so, it counts as made.
    pub fn take_due(&self, now: Instant) -> bool {
        let mut last = lock(&self.last);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= BETWEEN_TICKS);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_due_once_a_second() {
        let (timer, start) = (TickTimer::default(), Instant::now());
        let due = |millis| timer.take_due(start + Duration::from_millis(millis));
        assert_eq!([0, 1, 999, 1000, 1500, 2100].map(due), [true, false, false, true, false, true]);
    }
}
