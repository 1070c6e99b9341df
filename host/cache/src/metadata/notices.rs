//! What a driver is told in addition to its records: events, and the ticks of its timer.
//!
//! Neither changes a record, so an error of the driver is only logged, and never fails a caller. A trap or an exceeded deadline counts
//! against the driver like that of any other call.

use super::classify::Idempotency;
use super::{DriverBudget, MetadataStore};
use image_cache_engine::{CallError, Driver};
use image_cache_model::{Event, ImageId, RemovalReason};
use image_cache_store::sync::lock;
use std::time::{Instant, SystemTime};

/// Events for each call of the driver.
const EVENTS_PER_CALL: usize = 1000;

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

    /// Tells the driver that images were removed, if it wants to know.
    pub fn notify_removed(&self, ids: &[ImageId], reason: RemovalReason) {
        let at = SystemTime::now();
        let removed = |id: &ImageId| Event::Removed { image_id: id.clone(), at, reason };
        self.notify(|| ids.iter().map(removed).collect());
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
