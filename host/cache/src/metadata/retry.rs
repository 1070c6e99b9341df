//! What one call of the records has already tried, and whether it may try again.

use super::classify::{Context, Idempotency};
use image_cache_engine::Driver;
use std::time::{Duration, Instant};

/// How long the built-in drivers' storage may answer that it is busy before the caller gets the error. Another's may do so
/// for the time that a call may take.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// The part of its time that a driver has for a call that took it long to fail at before: a quarter.
const REDUCED_DEADLINE: u32 = 4;

/// What one call has tried.
pub(super) struct Retry {
    /// Whether all attempts share one deadline: all but the first one of a driver that was not slow before.
    is_limited: bool,
    /// Whether there was a second attempt.
    pub has_retried: bool,
    /// Whether a database that was replaced was the reason for an attempt already.
    pub has_renewed: bool,
    started: Instant,
    /// When the first attempt must be over, and the second one, too.
    until: Instant,
    busy_until: Instant,
    pause: Duration,
}

impl Retry {
    /// The first attempt begins.
    pub fn of(driver: &Driver, is_deadline_reduced: bool) -> Self {
        let (started, mut until) = (Instant::now(), driver.end_of_call());
        if is_deadline_reduced {
            until = started + until.saturating_duration_since(started) / REDUCED_DEADLINE;
        }
        let busy_until = if driver.is_built_in() { started + BUSY_PATIENCE } else { until };
        Retry {
            is_limited: is_deadline_reduced,
            has_retried: false,
            has_renewed: false,
            started,
            until,
            busy_until,
            pause: Duration::ZERO,
        }
    }

    /// Makes the next attempt; a second one gets the time that is left.
    pub fn attempt<T>(&mut self, driver: &Driver, call: impl FnOnce(&Driver) -> T) -> T {
        match std::mem::replace(&mut self.is_limited, true) {
            false => call(driver),
            true => call(&driver.until(self.until)),
        }
    }

    /// Whether the attempts took so long that the caller should not be made to wait for more of the kind.
    pub fn was_slow(&self) -> bool {
        let now = Instant::now();
        now.saturating_duration_since(self.started) >= self.until.saturating_duration_since(now)
    }

    /// What is known when an attempt of this driver has failed.
    pub fn context(&self, idempotency: Idempotency, driver: &Driver) -> Context {
        let now = Instant::now();
        Context {
            idempotency,
            is_built_in: driver.is_built_in(),
            was_slow: self.was_slow(),
            may_wait: now <= self.busy_until,
            has_retry: !self.has_retried && now < self.until,
            // The new database may be corrupt, and then there is another attempt.
            has_renewal: !self.has_renewed && now < self.until,
        }
    }

    /// Waits a little for storage that is busy.
    pub fn pause(&mut self) {
        self.pause = (self.pause * 2).clamp(Duration::from_millis(1), Duration::from_millis(50));
        std::thread::sleep(self.pause);
    }
}
