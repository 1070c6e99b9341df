//! What a driver is told in addition to its records: events, and the ticks of its timer.
//!
//! Neither changes a record. So a failure is not repeated, does not make the records dirty and fails no caller; it counts against
//! the driver if it is a trap or an exceeded deadline.

use super::breaker::FailureCost;
use super::{DriverBudget, MetadataStore};
use crate::events::CacheEvent;
use image_cache_engine::{CallError, Driver};
use image_cache_model::{Event, ImageId, RemovalReason};
use image_cache_store::sync::lock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// Such a failure of one driver is a warning at most once in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Events for each call of the driver.
const EVENTS_PER_CALL: usize = 1000;

impl MetadataStore {
    /// Whether the driver in use is asked again when the size of an image becomes known.
    pub fn asks_twice(&self) -> bool {
        lock(&self.in_use).driver.has_admission()
    }

    /// Tells the driver what happened, if it wants to know; `events` are made only then.
    pub fn notify(&self, budget: &DriverBudget, events: impl FnOnce() -> Vec<Event>) {
        if !self.is_listening.load(Ordering::Relaxed) || !lock(&self.in_use).driver.has_events() {
            return;
        }
        for events in events().chunks(EVENTS_PER_CALL) {
            self.tell("tell what happened", budget, |driver| driver.notify(events));
        }
    }

    /// The same for images that were removed for one reason. Subscribers of events are told, too.
    pub fn notify_removed(
        &self,
        budget: &DriverBudget,
        reason: RemovalReason,
        ids: impl FnOnce() -> Vec<ImageId>,
    ) {
        let at = SystemTime::now();
        let removed = |image_id| Event::Removed { image_id, at, reason };
        if !self.events.has_subscribers() {
            return self.notify(budget, || ids().into_iter().map(removed).collect());
        }
        let ids = ids();
        self.notify(budget, || ids.iter().cloned().map(removed).collect());
        for image_id in ids {
            self.events.publish(|| CacheEvent::Removed { image_id, reason });
        }
    }

    /// Calls the driver's timer, if it has one and it is due.
    pub fn tick_if_due(&self) {
        if self.is_listening.load(Ordering::Relaxed)
            && lock(&self.in_use).driver.has_timer()
            && self.timer.take_due(Instant::now())
        {
            let started = Instant::now();
            let budget = DriverBudget::one_call();
            self.tell("tick", &budget, |driver| driver.tick(SystemTime::now()));
            self.timer.ended(started, Instant::now());
        }
    }

    /// One call, within the budget of the operation that it belongs to.
    fn tell(
        &self,
        operation: &'static str,
        budget: &DriverBudget,
        call: impl Fn(&Driver) -> Result<(), CallError>,
    ) {
        let in_use = self.in_use();
        let (started, most) = (Instant::now(), in_use.driver.end_of_call());
        let told = self.measure(operation, || budget.run(&in_use.driver, &call));
        match told {
            Ok(()) => self.breaker.note_success(operation),
            Err(error) if error.is_failure() => {
                let was_slow = started.elapsed() * 2 > most.duration_since(started);
                let cost = if was_slow { FailureCost::Double } else { FailureCost::Single };
                self.note_failure(&in_use, operation, cost, error);
            }
            // What is wrong with the storage shows in the next call that needs it.
            Err(error) if in_use.not_told.is_due((), WARNING_INTERVAL, Instant::now()) => {
                let driver = in_use.driver.name();
                tracing::warn!(driver, operation, %error, "the driver was not told; further failures within a minute are logged at level debug");
            }
            Err(error) => tracing::debug!(%error, operation, "the driver was not told"),
        }
        // The operation ends at its next call if its budget is spent.
    }
}
