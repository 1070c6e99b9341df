//! The attempts of one call of the driver, and whether it may try again.

use super::classify::{Context, Idempotency};
use image_cache_engine::Driver;
use std::time::{Duration, Instant};

/// How long the storage of a built-in driver may be busy before the caller gets the error. For other drivers this is the time
/// limit of a call.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// The divisor of the time limit after a slow failure of the same operation.
const REDUCED_DEADLINE: u32 = 4;

/// The attempts of one call.
pub(super) struct Retry {
    /// Whether the next attempt uses `until`: every attempt except the first one of an operation without slow failures.
    is_limited: bool,
    /// Whether there was a second attempt.
    pub has_retried: bool,
    /// Whether there was already an attempt because of a replaced database.
    pub has_renewed: bool,
    started: Instant,
    /// The deadline of the first attempt, and of the second.
    until: Instant,
    busy_until: Instant,
    pause: Duration,
}

impl Retry {
    /// Starts the first attempt.
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

    /// Makes the next attempt; a second one gets the remaining time.
    pub fn attempt<T>(&mut self, driver: &Driver, call: impl FnOnce(&Driver) -> T) -> T {
        match std::mem::replace(&mut self.is_limited, true) {
            false => call(driver),
            true => call(&driver.until(self.until)),
        }
    }

    /// Whether the attempts took so long that the caller should not wait for more of them.
    pub fn was_slow(&self) -> bool {
        let now = Instant::now();
        now.saturating_duration_since(self.started) >= self.until.saturating_duration_since(now)
    }

    /// The circumstances of a failed attempt of this driver.
    pub fn context(&self, idempotency: Idempotency, driver: &Driver) -> Context {
        let now = Instant::now();
        Context {
            idempotency,
            is_built_in: driver.is_built_in(),
            was_slow: self.was_slow(),
            may_wait: now <= self.busy_until,
            has_retry: !self.has_retried && now < self.until,
            // The new database may be corrupt, which allows another attempt.
            has_renewal: !self.has_renewed && now < self.until,
        }
    }

    /// Waits briefly for busy storage.
    pub fn pause(&mut self) {
        self.pause = (self.pause * 2).clamp(Duration::from_millis(1), Duration::from_millis(50));
        std::thread::sleep(self.pause);
    }
}
