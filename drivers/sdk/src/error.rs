//! Error messages for a log or the operator.

use crate::types::Error;

/// The meaning of an error as a message. (The generated `Display` shows only its name, and adds more code to a driver.)
///
/// ```
/// use image_cache_driver_sdk::{error_words, types::Error};
/// assert_eq!(error_words(&Error::Full), "the storage is full");
/// assert_eq!(error_words(&Error::Other("no such table: images".into())), "no such table: images");
/// ```
pub fn error_words(error: &Error) -> &str {
    match error {
        Error::Busy => "another process is using the storage",
        Error::Full => "the storage is full",
        Error::NotFound => "the image is not there",
        Error::Unsupported => "the file system of the cache does not support this",
        Error::Denied => "not granted, or outside the grant",
        Error::TooLarge => "more rows, bytes or time than a call may take",
        Error::InvalidArgument => "an argument is malformed or out of range",
        Error::Other(words) => words,
    }
}
