//! The last error of each thread.

use crate::failure::Failure;
use std::cell::RefCell;
use std::ffi::{CString, c_char};

#[derive(Default)]
struct LastError {
    text: CString,
    errno: i32,
    is_retryable: bool,
}

thread_local! {
    static LAST: RefCell<LastError> = RefCell::default();
}

/// Replaces this thread's last error.
pub(crate) fn set(failure: Failure) {
    let Failure { text, errno, is_retryable, .. } = failure;
    replace(LastError { text: c_string(&text), errno, is_retryable });
}

/// Replaces only the text: the call succeeded, and this is the reason for its outcome.
pub(crate) fn set_reason(text: &str) {
    replace(LastError { text: c_string(text), ..LastError::default() });
}

pub(crate) fn text_pointer() -> *const c_char {
    LAST.try_with(|last| last.borrow().text.as_ptr()).unwrap_or(c"".as_ptr())
}

pub(crate) fn errno() -> i32 {
    LAST.try_with(|last| last.borrow().errno).unwrap_or(0)
}

pub(crate) fn is_retryable() -> bool {
    LAST.try_with(|last| last.borrow().is_retryable).unwrap_or(false)
}

/// At the end of a thread its variables may already be gone; then there is nothing to set.
fn replace(last: LastError) {
    let _ = LAST.try_with(|place| place.replace(last));
}

/// The text without NUL, which would end it for C.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}

#[cfg(test)]
pub(crate) fn text() -> String {
    LAST.with(|last| last.borrow().text.to_string_lossy().into_owned())
}
