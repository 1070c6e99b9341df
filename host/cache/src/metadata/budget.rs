//! The total time of a driver's calls within one operation that needs many calls.
//!
//! Each call has its own deadline. A driver that needs a little less than that for each of many calls never fails, but delays the
//! caller that waits for all of them. So an operation with many calls (opening, listing, pruning, cleaning, removing, writing
//! hits, migrating) passes a budget to each of them. Only the driver's time counts, not that of the directory or a wait for
//! another process's lock. The built-in drivers are trusted and have no budget.

use image_cache_engine::{CallError, Driver};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The minimum budget of an operation.
const AT_LEAST: Duration = Duration::from_secs(10);

/// The additional budget for each image on disk: a correct driver needs a tenth of it.
const FOR_EACH: Duration = Duration::from_millis(1);

/// The time that the driver has for all calls of one operation; several threads may use it.
#[derive(Debug)]
pub(crate) struct DriverBudget {
    /// Microseconds; `None` for a single call.
    allowed: Option<AtomicU64>,
    spent: AtomicU64,
}

impl DriverBudget {
    /// For a single call, which is limited by its own deadline.
    pub const fn one_call() -> DriverBudget {
        DriverBudget { allowed: None, spent: AtomicU64::new(0) }
    }

    /// For an operation on this number of images on disk.
    pub fn of(images: u64) -> DriverBudget {
        let for_all = micros(FOR_EACH).saturating_mul(images);
        let allowed = AtomicU64::new(micros(AT_LEAST).saturating_add(for_all));
        DriverBudget { allowed: Some(allowed), spent: AtomicU64::new(0) }
    }

    /// Increases the budget for additional images on disk.
    pub fn allow(&self, images: u64) {
        let more = micros(FOR_EACH).saturating_mul(images);
        if let Some(allowed) = &self.allowed {
            let sum = |allowed: u64| Some(allowed.saturating_add(more));
            let _ = allowed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        }
    }

    /// Makes a call that must end before the budget is spent.
    pub fn run<T>(
        &self,
        driver: &Driver,
        call: impl FnOnce(&Driver) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        if self.allowed.is_none() || driver.is_built_in() {
            return call(driver);
        }
        if let Some(allowed) = self.overdrawn(driver) {
            return Err(CallError::OperationTimedOut { allowed });
        }
        let begun = Instant::now();
        let until = driver.end_of_call().min(begun + self.left());
        let answer = call(&driver.until(until));
        self.spent.fetch_add(micros(begun.elapsed()), Ordering::Relaxed);
        answer
    }

    /// The time that the calls had, if it is spent and this driver must not be called any more.
    pub fn overdrawn(&self, driver: &Driver) -> Option<Duration> {
        if driver.is_built_in() {
            return None;
        }
        let allowed = self.allowed.as_ref()?.load(Ordering::Relaxed);
        if !self.left().is_zero() {
            return None;
        }
        Some(Duration::from_micros(allowed))
    }

    fn left(&self) -> Duration {
        let spent = self.spent.load(Ordering::Relaxed);
        let allowed = self.allowed.as_ref().map_or(u64::MAX, |a| a.load(Ordering::Relaxed));
        Duration::from_micros(allowed.saturating_sub(spent))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_grows_with_the_images_and_shrinks_by_what_was_spent() {
        let budget = DriverBudget::of(1_000_000);
        assert_eq!(budget.left(), Duration::from_secs(1010));
        budget.allow(5);
        budget.spent.fetch_add(micros(Duration::from_secs(1000)), Ordering::Relaxed);
        assert_eq!(budget.left(), Duration::from_millis(10_005));
        budget.spent.fetch_add(u64::MAX / 2, Ordering::Relaxed);
        assert!(budget.left().is_zero());
        assert!(DriverBudget::of(u64::MAX).left() > Duration::from_secs(1 << 40), "no overflow");
    }
}
