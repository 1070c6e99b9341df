//! Errors inside I/O errors, and back.

use super::Error;
use super::reasons::FetchLoss;
use image_cache_model::ImageId;
use std::io;
use std::sync::Arc;

impl Error {
    /// The error inside an [`io::Error`] of one of our readers or writers, if there is one. An error of a source has none: the
    /// reader returns it as it is.
    pub fn of_io(error: &io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }

    /// The I/O error of the system or of the source, with its kind and error number, if there is one. [`source`](std::error::Error::source)
    /// returns the same.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Error::Directory { source, .. }
            | Error::Image { source, .. }
            | Error::SourceFailed { source, .. }
            | Error::SourceNotReady { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The error of one of our readers, as an error of the operation that read from it.
    pub(crate) fn of_reader(image_id: &ImageId, error: io::Error) -> Error {
        error.downcast().unwrap_or_else(Error::image("read", image_id))
    }

    /// The error of a reader whose source asks it to read again: [`SourceNotReady`](Error::SourceNotReady) in place of a
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), for which a reader has no handle to wait for.
    pub(crate) fn of_waiting_source(image_id: &ImageId, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                let (image_id, source) = (image_id.clone(), Arc::new(error));
                Error::SourceNotReady { image_id, source }.into()
            }
            _ => error,
        }
    }

    /// Whether an error of a source or a reader is no failure, but a request to read again.
    pub(crate) fn asks_to_read_again(error: &io::Error) -> bool {
        matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
            || matches!(Error::of_io(error), Some(Error::SourceNotReady { .. }))
    }
}

/// A reader's error: its kind for callers that do not know this library, and the error inside for the others.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(kind(&error), error)
    }
}

fn kind(error: &Error) -> io::ErrorKind {
    match error {
        Error::ChecksumMismatch { .. }
        | Error::SizeMismatch { .. }
        | Error::Corrupt { .. }
        | Error::Changed { .. } => io::ErrorKind::InvalidData,
        Error::Directory { source, .. }
        | Error::Image { source, .. }
        | Error::SourceFailed { source, .. } => source.kind(),
        Error::SourceNotReady { .. } | Error::InUse { .. } => io::ErrorKind::ResourceBusy,
        Error::FetchLost { loss, .. } => match loss {
            FetchLoss::Abandoned => io::ErrorKind::ConnectionAborted,
            FetchLoss::CacheFailed => io::ErrorKind::Other,
            FetchLoss::Stuck => io::ErrorKind::TimedOut,
        },
        Error::Truncated { .. } => io::ErrorKind::UnexpectedEof,
        Error::Deadlock { .. } => io::ErrorKind::Deadlock,
        Error::ReaderFailed { kind } => *kind,
        Error::UnsuitableFile { .. } => io::ErrorKind::InvalidInput,
        _ => io::ErrorKind::Other,
    }
}
