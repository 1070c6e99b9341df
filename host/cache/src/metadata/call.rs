//! What happens when a call of the driver fails: it is tried again, counted, and in the end the driver is replaced.

use super::breaker::{FailureCost, WINDOW};
use super::retry::Retry;
use super::{Budget, InUse, MetadataStore, fall_back, is_last_resort};
use crate::error::{Error, Result};
use image_cache_engine::{CallError, Driver, DriverError};
use image_cache_store::sync::write;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Whether a call may be made again when it is unknown how far it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    Safe,
    Never,
}

impl MetadataStore {
    /// A call whose failure leaves the records out of sync.
    pub(super) fn change<T>(
        &self,
        operation: &'static str,
        repeat: Idempotency,
        budget: &Budget,
        call: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Result<T> {
        self.call(operation, repeat, budget, call).inspect_err(|_| self.mark_dirty())
    }

    pub(super) fn call<T>(
        &self,
        operation: &'static str,
        repeat: Idempotency,
        budget: &Budget,
        call: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Result<T> {
        let mut in_use = self.in_use();
        if let Some(reason) = budget.overdrawn(&in_use.driver) {
            return Err(self.end_by_budget(&in_use, operation, reason));
        }
        let call = |driver: &Driver| self.counted(operation, || budget.run(driver, &call));
        let is_deadline_reduced = self.breaker.is_deadline_reduced(operation);
        let mut retry = Retry::of(&in_use.driver, is_deadline_reduced);
        let mut answer = match is_deadline_reduced {
            false => call(&in_use.driver),
            true => call(&retry.attempt(&in_use.driver)),
        };
        loop {
            let error = match answer {
                Ok(answer) => {
                    // Of records that are yet to be repaired no answer proves anything.
                    if self.is_in_sync() {
                        self.breaker.note_success(operation);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if let Some(reason) = budget.overdrawn(&in_use.driver) {
                return Err(self.end_by_budget(&in_use, operation, reason));
            }
            if !self.may_try_again(&in_use, operation, repeat, &error, &mut retry) {
                if retry.was_slow() {
                    self.sync.back_off(&in_use);
                }
                let driver = in_use.driver.name().to_owned();
                return Err(Error::Metadata { operation, driver, reason: error.to_string() });
            }
            let next = self.in_use();
            if !Arc::ptr_eq(&next, &in_use) {
                // Another driver has time of its own.
                (in_use, retry) = (Arc::clone(&next), Retry::of(&next.driver, false));
            }
            answer = call(&retry.attempt(&in_use.driver));
        }
    }

    /// A driver whose time for all calls of an undertaking is spent is replaced at once: each single call was within its own.
    fn end_by_budget(&self, in_use: &Arc<InUse>, operation: &'static str, reason: String) -> Error {
        let driver = in_use.driver.name().to_owned();
        tracing::warn!(driver, operation, reason, "the driver failed");
        self.mark_dirty();
        self.replace(in_use, format!("it failed to {operation}: {reason}"));
        Error::Metadata { operation, driver, reason }
    }

    fn counted<T, E>(
        &self,
        operation: &'static str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let answer = call();
        self.metrics.called(operation, begun.elapsed(), answer.is_err());
        answer
    }

    /// Counts an error where it speaks against the driver; whether the same call is worth another attempt. One that took
    /// long to fail is not asked again by whoever waits, counts double, and has less time next.
    fn may_try_again(
        &self,
        in_use: &Arc<InUse>,
        operation: &'static str,
        repeat: Idempotency,
        error: &CallError,
        retry: &mut Retry,
    ) -> bool {
        let is_safe = repeat == Idempotency::Safe;
        match error {
            // Nothing was changed, so that every call may be repeated.
            CallError::Refused(DriverError::Busy) => {
                retry.busy()
                    || (!in_use.driver.is_built_in()
                        && self.note_failure(in_use, operation, weight(in_use, retry), error)
                        && is_safe)
            }
            // Nothing was changed, and nothing speaks against the driver.
            CallError::Crowded => false,
            CallError::Refused(refusal) => {
                is_defect(refusal)
                    && self.note_failure(in_use, operation, FailureCost::Single, error)
                    && is_safe
            }
            CallError::Failed(_) => {
                // It is unknown what the driver did before it failed.
                self.mark_dirty();
                let weight = weight(in_use, retry);
                let replaced = self.note_failure(in_use, operation, weight, error);
                is_safe && (replaced || (weight == FailureCost::Single && retry.once()))
            }
            CallError::Replaced => {
                self.note_replaced(in_use);
                retry.renewed() && is_safe
            }
            CallError::Corrupt(reason) => {
                retry.once() && self.quarantine_database(in_use, reason) && is_safe
            }
        }
    }

    /// Counts a failure; true where it was one too many, and another driver is in use now.
    pub(super) fn note_failure(
        &self,
        in_use: &Arc<InUse>,
        operation: &'static str,
        weight: FailureCost,
        reason: impl fmt::Display,
    ) -> bool {
        let driver = in_use.driver.name();
        tracing::warn!(driver, operation, %reason, "the driver failed");
        let too_many = self.breaker.note_failure(operation, weight, Instant::now());
        match too_many {
            Some(failures) if !is_last_resort(driver) => {
                let within = WINDOW.as_secs();
                let reason = format!(
                    "it failed to {operation} {failures} times within {within} s, the last time thus: {reason}"
                );
                self.replace(in_use, reason)
            }
            _ => false,
        }
    }

    /// Puts sqlite in the place of a driver that keeps failing; true where that, or somebody else's
    /// attempt, succeeded.
    fn replace(&self, failing: &Arc<InUse>, reason: String) -> bool {
        let mut in_use = write(&self.in_use);
        if !Arc::ptr_eq(&in_use, failing) {
            return true;
        }
        match fall_back(&self.config, &self.directory, reason) {
            Ok(fallback) => {
                self.breaker.reset();
                self.metrics.fallbacks.inc();
                *in_use = Arc::new(fallback);
                self.mark_dirty();
                true
            }
            Err(error) => {
                tracing::error!(%error, "a failing driver cannot be replaced");
                false
            }
        }
    }

    /// The records' database is gone, or another one: the next call makes a new one, which is filled from the directory.
    pub(super) fn note_replaced(&self, in_use: &InUse) {
        self.mark_dirty();
        let driver = in_use.driver.name();
        tracing::warn!(
            driver,
            "the database was removed or replaced while it was open; the records are made anew from the directory"
        );
    }

    /// Sets a database that SQLite cannot read aside, so that it is rebuilt from the directory.
    fn quarantine_database(&self, in_use: &InUse, reason: &str) -> bool {
        self.mark_dirty();
        match in_use.driver.quarantine_database() {
            Ok(None) => {
                tracing::warn!(%reason, "the database could not be read at first");
                true
            }
            Ok(Some(place)) => {
                let place = place.display();
                tracing::warn!(%reason, %place, "the database was set aside; it is rebuilt from the directory");
                true
            }
            Err(error) => {
                tracing::error!(%reason, %error, "the database is unusable and cannot be set aside");
                false
            }
        }
    }
}

/// How much the failure of a call counts that `retry` watched.
fn weight(in_use: &InUse, retry: &Retry) -> FailureCost {
    let is_slow = !in_use.driver.is_built_in() && retry.was_slow();
    if is_slow { FailureCost::Double } else { FailureCost::Single }
}

/// Whether an answer speaks against the driver, not of the storage or the question. What is denied is
/// usually one file that nobody may change, and no reason to give up the records of all others.
fn is_defect(error: &DriverError) -> bool {
    matches!(error, DriverError::Unsupported | DriverError::Other(_))
}
