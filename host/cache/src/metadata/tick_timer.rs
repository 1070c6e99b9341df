//! When the driver's timer is due.

use image_cache_store::sync::lock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The least time between two ticks.
const BETWEEN_TICKS: Duration = Duration::from_secs(1);

/// After a tick, the driver is left alone for at least this multiple of the tick's duration.
const PAUSE_FOR_EACH: u32 = 9;

/// When the driver's timer is due next.
#[derive(Debug, Default)]
pub(super) struct TickTimer {
    next: Mutex<Option<Instant>>,
}

impl TickTimer {
    /// Whether the next tick is due; if so, no other thread makes it.
    pub fn take_due(&self, now: Instant) -> bool {
        let mut next = lock(&self.next);
        let is_due = next.is_none_or(|next| now >= next);
        if is_due {
            *next = Some(now + BETWEEN_TICKS);
        }
        is_due
    }

    /// The tick has ended.
    pub fn ended(&self, started: Instant, now: Instant) {
        let pause = now.duration_since(started) * PAUSE_FOR_EACH;
        let mut next = lock(&self.next);
        *next = (*next).max(Some(now + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_due_once_a_second_and_takes_a_tenth_of_the_time() {
        let (timer, start) = (TickTimer::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let due = [0, 1, 999, 1000, 1500, 2100].map(|millis| timer.take_due(at(millis)));
        assert_eq!(due, [true, false, false, true, false, true]);
        timer.ended(at(2100), at(2600));
        assert!(!timer.take_due(at(2600 + 4499)) && timer.take_due(at(2600 + 4500)));
    }
}
