//! A failed call: its code, its text and its details.

use crate::error::ErrorCode;
use image_cache::Error;
use std::io::{self, ErrorKind};

/// The result of an operation that may fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: ErrorCode,
    pub text: String,
    /// The system's error number, or 0.
    pub errno: i32,
    pub is_retryable: bool,
}

impl Failure {
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Failure {
        let is_retryable = matches!(code, ErrorCode::Again | ErrorCode::Busy | ErrorCode::InUse);
        Failure { code, text: text.into(), errno: 0, is_retryable }
    }

    /// An argument that is not accepted.
    pub fn argument(text: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InvalidArgument, text)
    }

    /// The image is not cached.
    pub fn not_cached(id: &str) -> Failure {
        Failure::new(ErrorCode::NotCached, format!("image {id} is not cached"))
    }

    /// The library panicked.
    pub fn panicked(words: &str) -> Failure {
        let text = format!("the library has a bug and panicked: {words}; close the handle");
        Failure::new(ErrorCode::Panic, text)
    }

    /// An error of a reader of this image; without an error of the cache inside it is an error of the source, if there is one.
    pub fn of_reader(id: &str, error: &io::Error, has_source: bool) -> Failure {
        if let Some(error) = Error::of_io(error) {
            return Failure::of(error);
        }
        let (code, text) = match (error.kind(), has_source) {
            (ErrorKind::Deadlock, _) => (ErrorCode::Deadlock, error.to_string()),
            (ErrorKind::WouldBlock | ErrorKind::Interrupted, _) => {
                (ErrorCode::Again, format!("image {id}: no bytes now; read again: {error}"))
            }
            (_, true) => (ErrorCode::Source, format!("image {id}: the source failed: {error}")),
            (_, false) => (ErrorCode::Io, format!("cannot read image {id}: {error}")),
        };
        let failure = Failure::new(code, text);
        let is_retryable = failure.is_retryable || Error::is_retryable_io(error);
        Failure { errno: error.raw_os_error().unwrap_or(0), is_retryable, ..failure }
    }

    fn of(error: &Error) -> Failure {
        let failure = Failure::new(code(error), error.to_string());
        let is_retryable = failure.is_retryable || error.is_retryable();
        let errno = error.io_error().and_then(io::Error::raw_os_error).unwrap_or(0);
        Failure { errno, is_retryable, ..failure }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::of(&error)
    }
}

fn code(error: &Error) -> ErrorCode {
    match error {
        Error::InvalidImageId(_) | Error::InvalidChecksum(_) | Error::UnsuitableFile { .. } => {
            ErrorCode::InvalidArgument
        }
        Error::Config(_) => ErrorCode::Config,
        Error::Deadlock { .. } => ErrorCode::Deadlock,
        Error::Image { source, .. } | Error::SourceFailed { source, .. }
            if source.kind() == ErrorKind::Deadlock =>
        {
            ErrorCode::Deadlock
        }
        Error::SourceNotReady { .. } => ErrorCode::Again,
        Error::Directory { .. } | Error::Image { .. } | Error::Truncated { .. } => ErrorCode::Io,
        Error::ChecksumMismatch { .. } => ErrorCode::DigestMismatch,
        Error::SizeMismatch { .. } => ErrorCode::SizeMismatch,
        Error::Corrupt { .. } => ErrorCode::Corrupt,
        Error::SourceFailed { .. }
        | Error::FetchLost { .. }
        | Error::Changed { .. }
        | Error::ReaderFailed { .. }
        | Error::WriterFailed { .. } => ErrorCode::Source,
        Error::Metadata { .. } | Error::Migration { .. } | Error::NoDriver { .. } => {
            ErrorCode::Driver
        }
        Error::InUse { .. } => ErrorCode::InUse,
        Error::Forked { .. } => ErrorCode::Forked,
        _ => ErrorCode::Other,
    }
}
