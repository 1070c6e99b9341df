//! The boundary to C: no panic crosses it, and each failure becomes a code and the thread's last error.

use crate::error::ErrorCode;
use crate::failure::{Failure, Result};
use crate::{last_error, running_log};
use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs an operation that returns a number of at least 0; a failure returns its code, which is negative.
pub(crate) fn number(run: impl FnOnce() -> Result<i64>) -> i64 {
    if running_log::is_running() {
        let text =
            "the log function must not call the library: it runs while the library holds locks";
        return failed(Failure::new(ErrorCode::Deadlock, text));
    }
    // An operation that panics poisons its handle, so no broken state is used again.
    let result = catch_unwind(AssertUnwindSafe(run));
    match result.unwrap_or_else(|panic| Err(Failure::panicked(&words(&*panic)))) {
        Ok(number) => number,
        Err(failure) => failed(failure),
    }
}

fn failed(failure: Failure) -> i64 {
    let code = failure.code as i64;
    last_error::set(failure);
    code
}

/// Runs an operation that returns a small number of at least 0, or its failure's code.
pub(crate) fn small_number(run: impl FnOnce() -> Result<c_int>) -> c_int {
    let number = number(|| Ok(i64::from(run()?)));
    // The operation returned a `c_int`, and codes are small.
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

/// Runs an operation that returns 0, or its failure's code.
pub(crate) fn status(run: impl FnOnce() -> Result<()>) -> c_int {
    small_number(|| run().map(|()| 0))
}

/// Runs an operation that returns 1 for yes and 0 for no, or its failure's code.
pub(crate) fn switch(run: impl FnOnce() -> Result<bool>) -> c_int {
    small_number(|| run().map(c_int::from))
}

/// The number of bytes or images as C gets it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "for an unknown reason".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let code = status(|| panic!("number {}", 7));
        assert_eq!(code, ErrorCode::Panic as c_int);
        assert!(last_error::text().contains("number 7"), "{}", last_error::text());
    }
}
