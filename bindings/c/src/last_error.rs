//! The last error of each thread.

use crate::failure::Failure;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};

#[derive(Default)]
struct LastError {
    text: CString,
    errno: i32,
    is_retryable: bool,
}

thread_local! {
    static LAST: RefCell<LastError> = RefCell::default();
}

/// The text of this thread's last failed call: what failed, why, and what to do. After a call that returned another outcome than
/// IMGCACHE_OUTCOME_CACHED, it is the reason why the image is not cached. Empty if there was none. Never NULL; valid until the next
/// call of this library in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_message() -> *const c_char {
    LAST.try_with(|last| last.borrow().text.as_ptr()).unwrap_or(c"".as_ptr())
}

/// The system's error number (errno) in this thread's last failed call; 0 if the system was not the reason.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_error_errno() -> c_int {
    LAST.try_with(|last| last.borrow().errno).unwrap_or(0)
}

/// 1 if this thread's last failed call may succeed when it is repeated later without a change; otherwise 0.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_error_is_retryable() -> c_int {
    c_int::from(LAST.try_with(|last| last.borrow().is_retryable).unwrap_or(false))
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
