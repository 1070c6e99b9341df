//! Which errors a program may answer by the same call.

use super::Error;
use rustix::io::Errno;
use std::error::Error as StdError;
use std::io;

/// Most causes of an error that are examined.
const MOST_CAUSES: usize = 16;

impl Error {
    /// Whether the same call may succeed later, although nobody changes its arguments, the configuration or the machine: the reason
    /// passes by itself, or the cache has already removed it. A program should wait between such calls, and limit their number.
    ///
    /// | error | retryable |
    /// |---|---|
    /// | [`SourceNotReady`](Error::SourceNotReady) | yes: this reader can go on |
    /// | [`FetchLost`](Error::FetchLost), [`Changed`](Error::Changed) | yes, with a new reader |
    /// | [`Corrupt`](Error::Corrupt) | yes, with a new reader: the image is no longer cached, so it is fetched |
    /// | [`InUse`](Error::InUse) | yes: after the other process has ended |
    /// | [`Directory`](Error::Directory), [`Image`](Error::Image), [`SourceFailed`](Error::SourceFailed) | if [the I/O error is](Self::is_retryable_io) |
    /// | [`Metadata`](Error::Metadata) | if [the reason is](crate::DriverFailure::is_retryable): busy storage, a driver that trapped or took too long, records that are being repaired |
    /// | [`RuntimeStopped`](Error::RuntimeStopped) | yes, on another runtime |
    /// | all others: what was passed, configured or fetched is wrong, or the reader has failed already | no |
    ///
    /// ```
    /// use image_cache::Error;
    /// use std::{io::ErrorKind, sync::Arc};
    /// let failed = |kind: ErrorKind| Error::SourceFailed { image_id: "cirros".parse().expect("an id"), source: Arc::new(kind.into()) };
    /// assert!(failed(ErrorKind::ConnectionReset).is_retryable());
    /// assert!(!failed(ErrorKind::PermissionDenied).is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::SourceNotReady { .. }
            | Error::FetchLost { .. }
            | Error::Changed { .. }
            | Error::Corrupt { .. }
            | Error::InUse { .. } => true,
            #[cfg(feature = "tokio")]
            Error::RuntimeStopped => true,
            Error::Directory { source, .. }
            | Error::Image { source, .. }
            | Error::SourceFailed { source, .. } => Error::is_retryable_io(source),
            Error::Metadata { reason, .. } => reason.is_retryable(),
            Error::InvalidImageId(_)
            | Error::InvalidChecksum(_)
            | Error::Config(_)
            | Error::ChecksumMismatch { .. }
            | Error::SizeMismatch { .. }
            | Error::Truncated { .. }
            | Error::UnsuitableFile { .. }
            | Error::Deadlock { .. }
            | Error::ReaderFailed { .. }
            | Error::WriterFailed { .. }
            | Error::Forked { .. }
            | Error::Migration { .. }
            | Error::NoDriver { .. } => false,
        }
    }

    /// The same for an error of a reader or a writer: that of the [error inside](Self::of_io), if there is one. An error of a source
    /// or of the system is retryable if a connection or a device may work again by itself (for example a reset, a timeout, an early
    /// end, an interruption), or if a limit of descriptors or memory was reached. A full disk is not: somebody must free space.
    ///
    /// ```
    /// use image_cache::Error;
    /// assert!(Error::is_retryable_io(&std::io::ErrorKind::TimedOut.into()));
    /// assert!(!Error::is_retryable_io(&std::io::ErrorKind::StorageFull.into()));
    /// ```
    pub fn is_retryable_io(error: &io::Error) -> bool {
        if let Some(error) = Error::of_io(error) {
            return error.is_retryable();
        }
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let causes = causes.take(MOST_CAUSES).filter_map(|cause| cause.downcast_ref());
        std::iter::once(error).chain(causes).any(is_transient)
    }
}

/// Whether a connection or a device may work again later.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    let is_short = |errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS);
    matches!(
        error.kind(),
        WouldBlock
            | Interrupted
            | TimedOut
            | ConnectionReset
            | ConnectionAborted
            | ConnectionRefused
            | BrokenPipe
            | UnexpectedEof
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
            | ResourceBusy
            | OutOfMemory
    ) || Errno::from_io_error(error).is_some_and(is_short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DriverFailure, FetchLoss};
    use image_cache_engine::{CallError, DriverError};
    use image_cache_model::ImageId;
    use std::sync::Arc;

    fn id() -> ImageId {
        "a".parse().expect("an id")
    }

    #[test]
    fn an_error_of_a_reader_is_as_retryable_as_the_error_inside() {
        let lost = Error::FetchLost { image_id: id(), loss: FetchLoss::Stuck };
        assert!(Error::is_retryable_io(&lost.into()));
        let mismatch = Error::SizeMismatch { image_id: id(), expected: 1, found: 2 };
        assert!(!Error::is_retryable_io(&mismatch.into()));
        let inside = Arc::new(io::Error::from(Error::Deadlock { image_id: id() }));
        assert!(!Error::SourceFailed { image_id: id(), source: inside }.is_retryable());
    }

    #[test]
    fn the_cause_of_an_error_counts_and_so_do_limits_that_pass() {
        #[derive(Debug, thiserror::Error)]
        #[error("the request failed")]
        struct Failed(#[source] io::Error);
        let of = |errno: Errno| io::Error::other(Failed(errno.into()));
        assert!(Error::is_retryable_io(&of(Errno::CONNRESET)));
        assert!(!Error::is_retryable_io(&of(Errno::ACCESS)));
        for (errno, is_retryable) in
            [(Errno::MFILE, true), (Errno::NOMEM, true), (Errno::NOSPC, false), (Errno::IO, false)]
        {
            assert_eq!(Error::is_retryable_io(&errno.into()), is_retryable, "{errno}");
        }
    }

    #[test]
    fn busy_records_are_retryable_and_full_ones_are_not() {
        let failed = |error: CallError| DriverFailure::from(error).is_retryable();
        assert!(failed(CallError::Refused(DriverError::Busy)) && failed(CallError::Crowded));
        assert!(!failed(CallError::Refused(DriverError::Full)));
    }
}
