//! The errors of the library; each names the image, the operation and the remedy.

use image_cache_model::{
    Checksum, ChecksumAlgorithm, ConfigError, Expected, ImageId, InvalidChecksum, InvalidImageId,
};
use image_cache_store::{DirectoryFault, names};
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// The result of an operation that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

const CORRECT_CHECKSUM: &str = "fetch it again or correct the checksum";
const CORRECT_SIZE: &str = "fetch it again or correct the size";
const FETCH_AGAIN: &str = "fetch it again";
const BEGIN_AGAIN: &str = "begin a new writer";
const OPEN_AGAIN: &str = "open it again in this process";
const SEE_STATUS: &str = "see the log and `status`";

/// Why an operation failed. The text ends with the [remedy](Error::remedy), if there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image id is not accepted; nothing was changed.
    #[error(transparent)]
    InvalidImageId(#[from] InvalidImageId),
    /// The checksum is not accepted; nothing was changed.
    #[error(transparent)]
    InvalidChecksum(#[from] InvalidChecksum),
    /// The configuration has faults; the error lists all of them.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cache directory, or a file or folder in it, cannot be used.
    #[error("cannot {operation} {}: {source}; {}", path.display(), directory_remedy(source))]
    Directory {
        /// The operation.
        operation: &'static str,
        /// The directory or file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file of one image cannot be used.
    #[error("cannot {operation} image {image_id}: {source}")]
    Image {
        /// The operation.
        operation: &'static str,
        /// The image.
        image_id: ImageId,
        /// The error of the system.
        source: io::Error,
    },
    /// A digest of the bytes is not the expected checksum; the file was moved to `invalid/`, and nothing was cached.
    #[error(
        "image {image_id}: {algorithm} {expected} was expected, but the source returned {found}; nothing was cached; {CORRECT_CHECKSUM}"
    )]
    ChecksumMismatch {
        /// The image that was fetched.
        image_id: ImageId,
        /// The algorithm; if several digests differ, the first one in the order of [`ChecksumAlgorithm`].
        algorithm: ChecksumAlgorithm,
        /// The expected checksum, in hexadecimal.
        expected: String,
        /// The digest of the bytes, in hexadecimal.
        found: String,
    },
    /// There are more or fewer bytes than expected; the file was moved to `invalid/`, and nothing was cached.
    #[error("image {image_id}: {expected} bytes were expected, but the source returned {found}{}; nothing was cached; {CORRECT_SIZE}", if found > expected { " or more" } else { "" })]
    SizeMismatch {
        /// The image that was fetched.
        image_id: ImageId,
        /// The expected number of bytes.
        expected: u64,
        /// Bytes that arrived before the fetch ended or was aborted.
        found: u64,
    },
    /// A cached image is damaged: some of its bytes have changed, or its size has. It was moved to `invalid/`; no damaged byte
    /// was served.
    ///
    /// A reader returns it inside an [`io::Error`] of kind [`InvalidData`](io::ErrorKind::InvalidData), from which
    /// [`Error::of_io`] extracts it. The bytes that the reader returned before are correct, so a caller that can fetch the image
    /// can continue from there.
    #[error("image {image_id} is damaged: {reason}; it is no longer served; {FETCH_AGAIN}")]
    Corrupt {
        /// The image that was read.
        image_id: ImageId,
        /// The damage: what was found, and what was expected.
        reason: String,
    },
    /// The source of an image failed; the bytes that had arrived were moved to `invalid/`.
    #[error("image {image_id}: the source failed: {source}; nothing was cached")]
    SourceFailed {
        /// The image that was fetched.
        image_id: ImageId,
        /// The error of the source.
        source: io::Error,
    },
    /// A writer was used after one of its writes had failed; nothing was cached.
    #[error("image {image_id}: the writer has already failed; nothing was cached; {BEGIN_AGAIN}")]
    WriterFailed {
        /// The image that was written.
        image_id: ImageId,
    },
    /// A reader or writer was used in a forked child of the process that opened it.
    #[error(
        "image {image_id}: it was opened before this process was forked, by its parent; {OPEN_AGAIN}"
    )]
    Forked {
        /// The image that was read or written.
        image_id: ImageId,
    },
    /// A call of the driver failed; the images are not affected.
    #[error(
        "cannot {operation} with driver {driver}: {reason}; images are still served; {SEE_STATUS}"
    )]
    Metadata {
        /// The operation.
        operation: &'static str,
        /// The driver in use.
        driver: String,
        /// The error that it returned, or how it failed.
        reason: String,
    },
    /// Another process has the cache open, and the operation needs exclusive use.
    #[error("the cache in {} is in use: {}", path.display(), in_use_remedy(path))]
    InUse {
        /// The base directory.
        path: PathBuf,
    },
    /// The records could not be moved from one driver to another; the old records are unchanged.
    #[error(
        "cannot move the records from {from} to {to}: {reason}; the records of {from} are unchanged"
    )]
    Migration {
        /// The old driver.
        from: String,
        /// The new driver.
        to: String,
        /// Why they could not be moved.
        reason: String,
    },
    /// The tokio runtime stopped during the operation.
    #[cfg(feature = "tokio")]
    #[error("the tokio runtime stopped during the operation; unfinished work was undone")]
    RuntimeStopped,
    /// Neither the configured driver nor the sqlite driver could be used.
    #[error(
        "no driver can be used: {configured}: {reason}{}",
        fallback_words(configured, fallback_reason)
    )]
    NoDriver {
        /// The driver in the configuration.
        configured: String,
        /// Why it could not be used.
        reason: String,
        /// Why the sqlite driver could not replace it.
        fallback_reason: String,
    },
}

impl Error {
    /// Adds the operation and the path in the cache directory to an error.
    pub(crate) fn directory(
        operation: &'static str,
        path: PathBuf,
    ) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Directory { operation, path, source }
    }

    /// Adds the operation and the image to an error.
    pub(crate) fn image(
        operation: &'static str,
        image_id: &ImageId,
    ) -> impl FnOnce(io::Error) -> Error + use<> {
        let image_id = image_id.clone();
        move |source| Error::Image { operation, image_id, source }
    }

    /// A copy of an error about an image's bytes; `None` for any other error.
    pub(crate) fn verdict(&self) -> Option<Error> {
        match self {
            Error::ChecksumMismatch { image_id, algorithm, expected, found } => {
                Some(Error::ChecksumMismatch {
                    image_id: image_id.clone(),
                    algorithm: *algorithm,
                    expected: expected.clone(),
                    found: found.clone(),
                })
            }
            Error::SizeMismatch { image_id, expected, found } => Some(Error::SizeMismatch {
                image_id: image_id.clone(),
                expected: *expected,
                found: *found,
            }),
            _ => None,
        }
    }

    /// What the operator can do about it, for a program that shows it apart from the problem.
    ///
    /// ```
    /// let error = image_cache::Error::InUse { path: "/srv/images".into() };
    /// assert!(error.remedy().is_some_and(|remedy| remedy.starts_with("stop what has it open")));
    /// ```
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        match self {
            Error::Directory { source, .. } => Some(directory_remedy(source).into()),
            Error::ChecksumMismatch { .. } => Some(CORRECT_CHECKSUM.into()),
            Error::SizeMismatch { .. } => Some(CORRECT_SIZE.into()),
            Error::Corrupt { .. } => Some(FETCH_AGAIN.into()),
            Error::WriterFailed { .. } => Some(BEGIN_AGAIN.into()),
            Error::Forked { .. } => Some(OPEN_AGAIN.into()),
            Error::Metadata { .. } => Some(SEE_STATUS.into()),
            Error::InUse { path } => Some(in_use_remedy(path).into()),
            _ => None,
        }
    }

    /// The error of one of our readers, as an error of the operation that read from it.
    pub(crate) fn of_reader(image_id: &ImageId, error: io::Error) -> Error {
        error.downcast().unwrap_or_else(Error::image("read", image_id))
    }

    /// The error inside an [`io::Error`] of one of our readers, if there is one.
    pub fn of_io(error: &io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }
}

/// A copy of an I/O error, with the same kind, code and text. If the error contains a verdict of the cache, so does the copy.
pub(crate) fn clone_io_error(error: &io::Error) -> io::Error {
    if let Some(code) = error.raw_os_error() {
        return io::Error::from_raw_os_error(code);
    }
    match (Error::of_io(error).and_then(Error::verdict), error.get_ref()) {
        (Some(verdict), _) => io::Error::new(error.kind(), verdict),
        (None, Some(inner)) => io::Error::new(error.kind(), inner.to_string()),
        (None, None) => error.kind().into(),
    }
}

/// Whether an error is not a failure of a source, but a request to read again.
pub(crate) fn is_retriable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// The error of a reader whose image was refused.
pub(crate) fn verdict_error(error: &Error) -> io::Error {
    error.verdict().map_or_else(|| io::Error::other(error.to_string()), io::Error::from)
}

/// Compares size and digests with the expected ones; a digest that is not known is not compared.
pub(crate) fn check_promises(
    expected: &Expected,
    id: &ImageId,
    size: u64,
    digests: &[Checksum],
) -> Result<()> {
    if let Some(expected) = expected.size.filter(|expected| *expected != size) {
        return Err(Error::SizeMismatch { image_id: id.clone(), expected, found: size });
    }
    check_digests(expected, id, digests)
}

/// Compares digests with the expected checksums; a digest that is not known is not compared.
pub(crate) fn check_digests(expected: &Expected, id: &ImageId, digests: &[Checksum]) -> Result<()> {
    for found in digests {
        let algorithm = found.algorithm();
        let expected = expected.checksum(algorithm).filter(|expected| *expected != found);
        if let Some(expected) = expected {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(Error::ChecksumMismatch {
                image_id: id.clone(),
                algorithm,
                expected,
                found,
            });
        }
    }
    Ok(())
}

impl From<DirectoryFault> for Error {
    fn from(DirectoryFault { path, source }: DirectoryFault) -> Self {
        Error::Directory { operation: "use", path, source }
    }
}

/// A reader's error: its kind for callers that do not know this library, and the error inside for the others.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::ChecksumMismatch { .. } | Error::SizeMismatch { .. } | Error::Corrupt { .. } => {
                io::ErrorKind::InvalidData
            }
            Error::Directory { source, .. } | Error::Image { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

fn directory_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "it, or a directory above it, exists and is not a directory: move it away, or set another image_cache_dir"
        }
        io::ErrorKind::PermissionDenied => "let this user read and write it, or run as its owner",
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable, or set another image_cache_dir",
        io::ErrorKind::StorageFull => {
            "free some space or inodes (`df`, `df -i`), or lower image_cache_max_size and prune"
        }
        io::ErrorKind::NotFound => {
            "check that it exists; if it was removed or replaced after it was opened, restart the program"
        }
        _ => "check that it exists and is writable",
    }
}

fn in_use_remedy(path: &Path) -> String {
    let users = path.join(names::USERS);
    format!(
        "stop what has it open (`fuser -v {}` names the processes), and try again",
        users.display()
    )
}

fn fallback_words(configured: &str, fallback_reason: &str) -> String {
    if configured.eq_ignore_ascii_case("sqlite") {
        return String::new();
    }
    format!("; the built-in sqlite driver cannot replace it: {fallback_reason}")
}
