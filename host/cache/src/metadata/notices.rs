//! What a driver is told in addition to its records: events, and the ticks of its timer.
//!
//! Neither changes a record, so an error of the driver is only logged, and never fails a caller. A trap or an exceeded deadline counts
//! against the driver like that of any other call.

use super::classify::Idempotency;
use super::{DriverBudget, MetadataStore};
use image_cache_engine::{CallError, Driver};
use image_cache_model::{Event, Hit, ImageId, RemovalReason};
use image_cache_store::sync::lock;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// The least time between two ticks.
const BETWEEN_TICKS: Duration = Duration::from_secs(1);

/// Events for each call of the driver.
const EVENTS_PER_CALL: usize = 1000;

/// When the driver was last called regularly.
#[derive(Debug, Default)]
pub(super) struct Timer {
    last: Mutex<Option<Instant>>,
}

impl Timer {
    /// Whether the next tick is due; if so, it counts as made.
    fn take_due(&self, now: Instant) -> bool {
        let mut last = lock(&self.last);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= BETWEEN_TICKS);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

impl MetadataStore {
    /// Whether the driver in use is asked again when the size of an image becomes known.
    pub fn asks_twice(&self) -> bool {
        lock(&self.in_use).driver.has_admission()
    }

    /// Tells the driver what happened, if it wants to know; `events` are made only then.
    pub fn notify(&self, events: impl FnOnce() -> Vec<Event>) {
        if !lock(&self.in_use).driver.has_events() {
            return;
        }
        for events in events().chunks(EVENTS_PER_CALL) {
            self.tell("tell what happened", |driver| driver.notify(events));
        }
    }

    /// Tells the driver that an image was removed, if it wants to know.
    pub fn notify_removed(&self, id: &ImageId, reason: RemovalReason) {
        self.notify(|| removed(std::slice::from_ref(id), reason));
    }

    /// Calls the driver's timer, if it has one and a second has passed since the last time.
    pub fn tick_if_due(&self) {
        if lock(&self.in_use).driver.has_timer() && self.timer.take_due(Instant::now()) {
            self.tell("tick", |driver| driver.tick(SystemTime::now()));
        }
    }

    /// A call that is not repeated if it fails.
    fn tell(&self, operation: &'static str, call: impl Fn(&Driver) -> Result<(), CallError>) {
        let tell = |driver: &Driver| match call(driver) {
            Err(CallError::Refused(error)) => {
                tracing::debug!(%error, operation, "the driver returned an error");
                Ok(())
            }
            told => told,
        };
        let told = self.call(operation, Idempotency::Never, &DriverBudget::one_call(), tell);
        if let Err(error) = told {
            tracing::debug!(%error, operation, "the driver was not told");
        }
    }
}

/// The event of a hit.
pub(super) fn read(hit: &Hit) -> Event {
    let Hit { image_id, at, bytes, requester } = hit.clone();
    Event::Read { image_id, at, bytes, requester }
}

/// The events of removed images.
pub(super) fn removed(ids: &[ImageId], reason: RemovalReason) -> Vec<Event> {
    let at = SystemTime::now();
    ids.iter().map(|id| Event::Removed { image_id: id.clone(), at, reason }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_due_once_a_second() {
        let (timer, start) = (Timer::default(), Instant::now());
        let due = |millis| timer.take_due(start + Duration::from_millis(millis));
        assert_eq!([0, 1, 999, 1000, 1500, 2100].map(due), [true, false, false, true, false, true]);
    }
}
