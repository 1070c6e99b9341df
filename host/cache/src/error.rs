//! What can go wrong, in words that name the image, the operation and the remedy.

use image_cache_model::{
    Checksum, ConfigError, Expected, ImageId, InvalidChecksum, InvalidImageId,
};
use image_cache_store::{DirectoryFault, names};
use std::io;
use std::path::PathBuf;

/// The answer of an operation that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image id is not accepted; nothing was touched.
    #[error(transparent)]
    InvalidImageId(#[from] InvalidImageId),
    /// The checksum is not accepted; nothing was touched.
    #[error(transparent)]
    InvalidChecksum(#[from] InvalidChecksum),
    /// The configuration has faults, all of which are listed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cache directory, or one of its own, cannot be used.
    #[error("cannot {operation} {}: {source}; {}", path.display(), directory_remedy(source))]
    Directory {
        /// What was to be done.
        operation: &'static str,
        /// With which directory or file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file of one image cannot be used.
    #[error("cannot {operation} image {image_id}: {source}")]
    Image {
        /// What was to be done.
        operation: &'static str,
        /// To which image.
        image_id: ImageId,
        /// What the system answered.
        source: io::Error,
    },
    /// The bytes are not those that were promised; they went to `invalid/`, nothing was cached.
    #[error(
        "image {image_id}: MD5 {expected} was expected, the source gave {found}; nothing was cached, fetch it again or correct the checksum"
    )]
    ChecksumMismatch {
        /// The image that was fetched.
        image_id: ImageId,
        /// The checksum that was promised, in hexadecimal.
        expected: String,
        /// The digest of what came, in hexadecimal.
        found: String,
    },
    /// There are more or fewer bytes than were promised; they went to `invalid/`, nothing was cached.
    #[error("image {image_id}: {expected} bytes were expected, the source gave {found}{}; nothing was cached, fetch it again or correct the size", if found > expected { " or more" } else { "" })]
    SizeMismatch {
        /// The image that was fetched.
        image_id: ImageId,
        /// Bytes that were promised.
        expected: u64,
        /// Bytes that came before the fetch ended or was ended.
        found: u64,
    },
    /// A cached image is damaged: some of its bytes are not those that were cached, or there are more or
    /// fewer of them. It has left the cache for `invalid/`; no damaged byte was served.
    ///
    /// A reader answers it as an [`io::Error`] of kind [`InvalidData`](io::ErrorKind::InvalidData), in which
    /// [`Error::of_io`] finds it. What it had delivered before is right, so a reader that can fetch the image goes
    /// on from there.
    #[error("image {image_id} is damaged: {reason}; it is not served any more, fetch it again")]
    Corrupt {
        /// The image that was read.
        image_id: ImageId,
        /// What was found, and what should have been.
        reason: String,
    },
    /// The source of an image failed; what had come went to `invalid/`.
    #[error("image {image_id}: the source failed: {source}; nothing was cached")]
    SourceFailed {
        /// The image that was fetched.
        image_id: ImageId,
        /// What the source answered.
        source: io::Error,
    },
    /// The driver could not do its part; the images themselves are not affected.
    #[error(
        "cannot {operation}: driver {driver} says: {reason}; images are served all the same, see the log and `status`"
    )]
    Metadata {
        /// What was to be done.
        operation: &'static str,
        /// The driver in use.
        driver: String,
        /// What it answered, or how it failed.
        reason: String,
    },
    /// Another process has the cache open, and the operation needs it alone.
    #[error(
        "the cache in {} is in use: stop what has it open (`fuser -v {}` names the processes), and try again",
        path.display(), path.join(names::USERS).display()
    )]
    InUse {
        /// The base directory.
        path: PathBuf,
    },
    /// The records could not be moved from one driver to another; the old ones are as they were.
    #[error(
        "cannot move the records from {from} to {to}: {reason}; the records of {from} are as they were"
    )]
    Migration {
        /// The driver whose records were to be moved.
        from: String,
        /// The driver that was to have them.
        to: String,
        /// What kept it from having them.
        reason: String,
    },
    /// The tokio runtime stopped in the middle of the operation.
    #[cfg(feature = "tokio")]
    #[error(
        "the tokio runtime stopped in the middle of the operation; what was unfinished is undone"
    )]
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
        /// Why the sqlite driver could not take its place.
        fallback_reason: String,
    },
}

impl Error {
    /// Names the path in the cache directory at which an operation failed.
    pub(crate) fn directory(
        operation: &'static str,
        path: PathBuf,
    ) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Directory { operation, path, source }
    }

    /// Names the image whose file could not be used.
    pub(crate) fn image(
        operation: &'static str,
        image_id: &ImageId,
    ) -> impl FnOnce(io::Error) -> Error + use<> {
        let image_id = image_id.clone();
        move |source| Error::Image { operation, image_id, source }
    }

    /// A copy of an error that says what is wrong with an image's bytes; nothing for any other error.
    pub(crate) fn verdict(&self) -> Option<Error> {
        match self {
            Error::ChecksumMismatch { image_id, expected, found } => {
                Some(Error::ChecksumMismatch {
                    image_id: image_id.clone(),
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

    /// What one of our readers answered, as an error of the operation that read from it.
    pub(crate) fn of_reader(image_id: &ImageId, error: io::Error) -> Error {
        error.downcast().unwrap_or_else(Error::image("read", image_id))
    }

    /// The error that an [`io::Error`] of one of our readers carries, if it carries one.
    pub fn of_io(error: &io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }
}

/// A copy of an I/O error, with the same kind, code and words. If the error carries a verdict of the cache, so does the copy.
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

/// Whether an error is no failure of a source, but asks its reader to read again.
pub(crate) fn is_retriable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// The error of a reader whose image was refused.
pub(crate) fn verdict_error(error: &Error) -> io::Error {
    error.verdict().map_or_else(|| io::Error::other(error.to_string()), io::Error::from)
}

/// Compares what there is with what was promised; an unknown digest is not compared.
pub(crate) fn check_promises(
    expected: &Expected,
    id: &ImageId,
    size: u64,
    digest: Option<&Checksum>,
) -> Result<()> {
    if let Some(expected) = expected.size.filter(|expected| *expected != size) {
        return Err(Error::SizeMismatch { image_id: id.clone(), expected, found: size });
    }
    match (&expected.md5, digest) {
        (Some(expected), Some(found)) if expected != found => Err(Error::ChecksumMismatch {
            image_id: id.clone(),
            expected: expected.to_string(),
            found: found.to_string(),
        }),
        _ => Ok(()),
    }
}

impl From<DirectoryFault> for Error {
    fn from(DirectoryFault { path, source }: DirectoryFault) -> Self {
        Error::Directory { operation: "use", path, source }
    }
}

/// A reader's error: the kind says what a stranger needs to know, the inner error the rest.
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
            "something that is no directory lies there: move it away, or name another image_cache_dir"
        }
        io::ErrorKind::PermissionDenied => "let this user read and write it, or run as its owner",
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable, or name another image_cache_dir",
        io::ErrorKind::StorageFull => "free some space, or lower image_cache_max_size and prune",
        _ => "see that it is there and can be written to",
    }
}

fn fallback_words(configured: &str, fallback_reason: &str) -> String {
    if configured.eq_ignore_ascii_case("sqlite") {
        return String::new();
    }
    format!("; nor can the built-in sqlite driver take its place: {fallback_reason}")
}
