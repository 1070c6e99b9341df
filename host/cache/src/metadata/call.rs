//! One call of the driver, within its deadline and budget, with retries after temporary failures and failover to another driver.

use super::classify::{Idempotency, Reaction, RetryRule, classify};
use super::fallback::FallbackReason;
use super::in_use::InUse;
use super::retry::Retry;
use super::{DriverBudget, MetadataStore};
use crate::error::{DriverFailure, Result};
use image_cache_engine::{CallError, Driver};
use std::sync::Arc;
use std::time::Instant;

impl MetadataStore {
    /// A call whose failure leaves the records dirty.
    pub(super) fn change<T>(
        &self,
        operation: &'static str,
        idempotency: Idempotency,
        budget: &DriverBudget,
        call: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Result<T> {
        self.call(operation, idempotency, budget, call).inspect_err(|_| self.sync.mark_dirty())
    }

    /// A call of the driver in use, or of the one that replaces it meanwhile.
    pub(super) fn call<T>(
        &self,
        operation: &'static str,
        idempotency: Idempotency,
        budget: &DriverBudget,
        call: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Result<T> {
        let mut in_use = self.in_use();
        let mut retry = Retry::of(&in_use.driver, self.breaker.is_deadline_reduced(operation));
        loop {
            self.check_budget(&in_use, operation, budget)?;
            let answer = retry.attempt(&in_use.driver, |driver| {
                self.measure(operation, || budget.run(driver, &call))
            });
            let error = match answer {
                Ok(answer) => {
                    // A success with records that are not repaired yet proves nothing.
                    if self.sync.is_in_sync() {
                        self.breaker.note_success(operation);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.check_budget(&in_use, operation, budget)?;
            let decision = classify(&error, retry.context(idempotency, &in_use.driver));
            if !self.execute(decision, &in_use, operation, &error, &mut retry) {
                if retry.was_slow() {
                    self.sync.back_off(&in_use);
                }
                return Err(in_use.error(operation, error));
            }
            let next = self.in_use();
            if !Arc::ptr_eq(&next, &in_use) {
                // Another driver gets the full time.
                (in_use, retry) = (Arc::clone(&next), Retry::of(&next.driver, false));
            }
        }
    }

    /// Carries out the decision about a failed call; true if the call must be made again.
    fn execute(
        &self,
        decision: Reaction,
        in_use: &Arc<InUse>,
        operation: &'static str,
        error: &CallError,
        retry: &mut Retry,
    ) -> bool {
        match decision {
            Reaction::WaitAndRetry => {
                retry.pause();
                true
            }
            Reaction::GiveUp => false,
            Reaction::CountFailure { cost, is_dirty, retry: rule } => {
                if is_dirty {
                    self.sync.mark_dirty();
                }
                match (rule, self.note_failure(in_use, operation, cost, error.clone())) {
                    (RetryRule::IfReplaced | RetryRule::Once, true) => true,
                    (RetryRule::Once, false) => {
                        retry.has_retried = true;
                        true
                    }
                    (RetryRule::Never, _) | (RetryRule::IfReplaced, false) => false,
                }
            }
            Reaction::RenewDatabase { is_retried } => {
                self.note_replaced(in_use);
                retry.has_renewed = true;
                is_retried
            }
            Reaction::QuarantineDatabase { is_retried } => {
                retry.has_retried = true;
                self.quarantine_database(in_use, error) && is_retried
            }
        }
    }

    /// Replaces a driver at once if its time for all calls of an operation is spent: no single call would exceed its own
    /// deadline.
    fn check_budget(
        &self,
        in_use: &Arc<InUse>,
        operation: &'static str,
        budget: &DriverBudget,
    ) -> Result<()> {
        let Some(allowed) = budget.overdrawn(&in_use.driver) else { return Ok(()) };
        let reason = DriverFailure::OutOfTime { allowed };
        tracing::warn!(driver = in_use.driver.name(), operation, %reason, "the driver failed");
        self.sync.mark_dirty();
        let failure = Box::new(reason.clone());
        self.replace(in_use, FallbackReason::OutOfTime { operation, failure });
        Err(in_use.error(operation, reason))
    }

    pub(super) fn measure<T, E>(
        &self,
        operation: &'static str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let _span = tracing::debug_span!("driver_call", operation).entered();
        let begun = Instant::now();
        let answer = call();
        self.metrics.record_call(operation, begun.elapsed(), answer.is_err());
        answer
    }
}
