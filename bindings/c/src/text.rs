//! Texts that cross the boundary.

use crate::failure::{Failure, Result};
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

/// A text in UTF-8; `name` is the argument.
///
/// # Safety
/// The pointer is NULL, or points to bytes that end with NUL and do not change during the call.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: as the caller states.
    let text = unsafe { optional_text(pointer, name) }?;
    text.ok_or_else(|| Failure::argument(format!("{name} is NULL")))
}

/// A text in UTF-8, or NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so it ends with NUL and does not change.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map(Some).map_err(|error| {
        let (shown, valid) = (text.to_string_lossy(), error.valid_up_to());
        let shown: String = shown.chars().take(80).collect();
        Failure::argument(format!("{name} {shown:?} is not UTF-8 after {valid} bytes"))
    })
}

/// A path, which may be any bytes, or NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_path<'a>(pointer: *const c_char) -> Option<&'a OsStr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not NULL, so it ends with NUL and does not change.
    Some(OsStr::from_bytes(unsafe { CStr::from_ptr(pointer) }.to_bytes()))
}

/// Copies as much of a text as fits, with a NUL after it, and returns the length of the whole text.
///
/// # Safety
/// `buffer` is NULL, or `length` bytes can be written there.
pub(crate) unsafe fn copy(text: &str, buffer: *mut c_char, length: usize) -> i64 {
    if !buffer.is_null() && length > 0 {
        // A character is not cut in half.
        let room = (0..=text.len().min(length - 1)).rev().find(|end| text.is_char_boundary(*end));
        let count = room.unwrap_or(0);
        // SAFETY: `count` is below `length`, and the text is not in the caller's buffer.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), count);
            buffer.add(count).write(0);
        }
    }
    text.len() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(text: &str, length: usize) -> (i64, String) {
        let mut buffer = [b'x'; 10];
        // SAFETY: `length` is at most 10.
        let count = unsafe { copy(text, buffer.as_mut_ptr().cast(), length) };
        let copied =
            CStr::from_bytes_until_nul(&buffer).map(|it| it.to_string_lossy().into_owned());
        (count, copied.unwrap_or_default())
    }

    #[test]
    fn a_text_is_cut_to_the_buffer_between_two_characters() {
        assert_eq!(copied("abc", 10), (3, "abc".to_owned()));
        assert_eq!(copied("abc", 3), (3, "ab".to_owned()));
        assert_eq!(copied("aé", 3), (3, "a".to_owned()));
        assert_eq!(copied("abc", 1), (3, String::new()));
        // SAFETY: nothing is written to NULL.
        assert_eq!(unsafe { copy("abc", std::ptr::null_mut(), 10) }, 3);
    }
}
