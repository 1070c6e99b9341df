//! What one call of the records has already tried, and whether it may try again.

use image_cache_engine::Driver;
use std::time::{Duration, Instant};

/// How long the built-in drivers' storage may answer that it is busy before the caller hears of it. Another's may do so
/// for the time that a call may take.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// The part of its time that a driver has for what took it long to fail at before.
const HURRIED: u32 = 4;

/// What one call has tried.
pub(super) struct Retry {
    used: bool,
    /// Whether a database that was replaced was the reason for an attempt already.
    renewed: bool,
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
            until = started + until.saturating_duration_since(started) / HURRIED;
        }
        let busy_until = if driver.is_built_in() { started + BUSY_PATIENCE } else { until };
        Retry { used: false, renewed: false, started, until, busy_until, pause: Duration::ZERO }
    }

    /// Whether the attempts took so long that the caller should not be made to wait for more of the kind.
    pub fn was_slow(&self) -> bool {
        let now = Instant::now();
        now.saturating_duration_since(self.started) >= self.until.saturating_duration_since(now)
    }

    /// Once, and only where the first attempt left time for a second.
    pub fn once(&mut self) -> bool {
        !std::mem::replace(&mut self.used, true) && Instant::now() < self.until
    }

    /// Once for a database that was replaced: the new one may be corrupt, and then there is another attempt.
    pub fn renewed(&mut self) -> bool {
        !std::mem::replace(&mut self.renewed, true) && Instant::now() < self.until
    }

    /// The driver for the next attempt; a second one gets the time that is left.
    pub fn attempt(&self, driver: &Driver) -> Driver {
        driver.until(self.until)
    }

    /// Waits a little, unless it waited too long already.
    pub fn busy(&mut self) -> bool {
        if Instant::now() > self.busy_until {
            return false;
        }
        self.pause = (self.pause * 2).clamp(Duration::from_millis(1), Duration::from_millis(50));
        std::thread::sleep(self.pause);
        true
    }
}
