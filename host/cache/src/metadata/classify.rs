//! Classifies a failed call of the driver: whether it is made again, and whether it counts against the driver.
//!
//! The decision is carried out in [`call`](super::call).

use super::breaker::FailureCost;
use image_cache_engine::{CallError, DriverError};

/// Whether a call may be made again if its effect is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    Safe,
    Never,
}

/// The circumstances of a failed call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub idempotency: Idempotency,
    /// Whether the driver is built in.
    pub is_built_in: bool,
    /// Whether the attempts took most of the time limit.
    pub was_slow: bool,
    /// Whether the caller may wait for busy storage.
    pub may_wait: bool,
    /// Whether there was no second attempt yet, and there is time for one.
    pub has_retry: bool,
    /// Whether there was no attempt with a new database yet, and there is time for one.
    pub has_renewal: bool,
}

/// When the same call is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryRule {
    Never,
    /// By the driver that replaces this one, if there were too many failures.
    IfReplaced,
    /// By that driver, or once by this one.
    Once,
}

/// The reaction to a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The call is made again after a pause: nothing was changed, and storage is busy.
    WaitAndRetry,
    /// The caller gets the error, which does not count against the driver.
    GiveUp,
    /// The failure counts against the driver. If it is unknown what the driver did, the records are dirty.
    CountFailure { cost: FailureCost, is_dirty: bool, retry: RetryRule },
    /// The next call creates a new database, which is filled from the directory.
    RenewDatabase { is_retried: bool },
    /// The database cannot be read: it is quarantined, and rebuilt from the directory.
    QuarantineDatabase { is_retried: bool },
}

/// Decides the reaction to a failed call.
pub(super) fn classify(error: &CallError, context: Context) -> Reaction {
    let is_safe = context.idempotency == Idempotency::Safe;
    let if_replaced = if is_safe { RetryRule::IfReplaced } else { RetryRule::Never };
    let is_slow = context.was_slow && !context.is_built_in;
    let cost = if is_slow { FailureCost::Double } else { FailureCost::Single };
    match error {
        // Nothing was changed: each call may be made again.
        CallError::Refused(DriverError::Busy) if context.may_wait => Reaction::WaitAndRetry,
        CallError::Refused(DriverError::Busy) if !context.is_built_in => {
            Reaction::CountFailure { cost, is_dirty: false, retry: if_replaced }
        }
        CallError::Refused(refusal) | CallError::StatementFailed { error: refusal, .. }
            if is_defect(refusal) =>
        {
            let cost = FailureCost::Single;
            Reaction::CountFailure { cost, is_dirty: false, retry: if_replaced }
        }
        CallError::Refused(_) | CallError::StatementFailed { .. } | CallError::Crowded => {
            Reaction::GiveUp
        }
        CallError::Replaced => {
            Reaction::RenewDatabase { is_retried: is_safe && context.has_renewal }
        }
        CallError::Corrupt(_) if context.has_retry => {
            Reaction::QuarantineDatabase { is_retried: is_safe }
        }
        CallError::Corrupt(_) => Reaction::GiveUp,
        // All that count as a failure of the driver: it is unknown what the call did.
        _ => {
            // A caller that waited long must not wait for a second failure.
            let is_retried = is_safe && cost == FailureCost::Single && context.has_retry;
            let retry = if is_retried { RetryRule::Once } else { if_replaced };
            Reaction::CountFailure { cost, is_dirty: true, retry }
        }
    }
}

/// Whether an error is a defect of the driver, and not of the storage or the request. `Denied` usually concerns one file without
/// write permission, which is no reason to abandon all records.
fn is_defect(error: &DriverError) -> bool {
    matches!(error, DriverError::Unsupported | DriverError::Other(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Context = Context {
        idempotency: Idempotency::Safe,
        is_built_in: false,
        was_slow: false,
        may_wait: true,
        has_retry: true,
        has_renewal: true,
    };

    fn count(cost: FailureCost, is_dirty: bool, retry: RetryRule) -> Reaction {
        Reaction::CountFailure { cost, is_dirty, retry }
    }

    #[test]
    fn busy_storage_is_waited_for_and_then_counts_against_a_driver_that_is_not_built_in() {
        let busy = CallError::Refused(DriverError::Busy);
        assert_eq!(classify(&busy, FIRST), Reaction::WaitAndRetry);
        let late = Context { may_wait: false, was_slow: true, ..FIRST };
        let counted = count(FailureCost::Double, false, RetryRule::IfReplaced);
        assert_eq!(classify(&busy, late), counted);
        assert_eq!(classify(&busy, Context { is_built_in: true, ..late }), Reaction::GiveUp);
    }

    #[test]
    fn a_trap_is_tried_once_more_unless_it_was_slow_or_the_call_cannot_be_repeated() {
        let trap = CallError::InvalidDescription("a trap is handled in the same way".into());
        let once = count(FailureCost::Single, true, RetryRule::Once);
        assert_eq!(classify(&trap, FIRST), once);
        let second = count(FailureCost::Single, true, RetryRule::IfReplaced);
        assert_eq!(classify(&trap, Context { has_retry: false, ..FIRST }), second);
        let slow = count(FailureCost::Double, true, RetryRule::IfReplaced);
        assert_eq!(classify(&trap, Context { was_slow: true, ..FIRST }), slow);
        let built_in = Context { was_slow: true, is_built_in: true, ..FIRST };
        assert_eq!(classify(&trap, built_in), once);
        let never = count(FailureCost::Single, true, RetryRule::Never);
        assert_eq!(classify(&trap, Context { idempotency: Idempotency::Never, ..FIRST }), never);
    }

    #[test]
    fn an_error_of_storage_or_load_is_returned_to_the_caller() {
        assert_eq!(classify(&CallError::Crowded, FIRST), Reaction::GiveUp);
        let defect = count(FailureCost::Single, false, RetryRule::IfReplaced);
        assert_eq!(classify(&CallError::Refused(DriverError::Unsupported), FIRST), defect);
        let failed = |error| CallError::StatementFailed { error, statement: "SELECT".into() };
        assert_eq!(classify(&failed(DriverError::Unsupported), FIRST), defect);
        assert_eq!(classify(&failed(DriverError::Denied), FIRST), Reaction::GiveUp);
    }

    #[test]
    fn a_database_is_renewed_once_and_quarantined_once() {
        let renewed = Reaction::RenewDatabase { is_retried: true };
        assert_eq!(classify(&CallError::Replaced, FIRST), renewed);
        let again = Context { has_renewal: false, has_retry: false, ..FIRST };
        let not_again = Reaction::RenewDatabase { is_retried: false };
        assert_eq!(classify(&CallError::Replaced, again), not_again);
        let corrupt = CallError::Corrupt("no database".into());
        let aside = Reaction::QuarantineDatabase { is_retried: true };
        assert_eq!(classify(&corrupt, FIRST), aside);
        assert_eq!(classify(&corrupt, again), Reaction::GiveUp);
    }
}
