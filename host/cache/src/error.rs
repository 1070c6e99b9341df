//! The errors of the library; each names the image, the operation, the reason and the remedy.

mod convert;
mod copy;
mod display;
mod reasons;
mod remedy;
mod retry;

pub use reasons::{Damage, DriverFailure, FetchLoss, MigrationFailure, UnsuitableFile};

use image_cache_engine::LoadError;
use image_cache_model::{
    Checksum, ConfigError, Expected, ImageId, InvalidChecksum, InvalidImageId,
};
use image_cache_store::DirectoryFault;
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The result of an operation that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed. The text ends with the [remedy](Error::remedy), if there is one.
///
/// Each variant has its reason as a value. [`is_retryable`](Error::is_retryable) tells whether the same call may succeed later.
/// A clone shares the I/O error inside. The I/O errors of readers and writers contain an error of this type
/// ([`of_io`](Error::of_io)), unless they are those of the source.
///
/// ```
/// use image_cache::{Config, Damage, Error, Expected, ImageCache};
/// use std::io::Read;
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// let cache = ImageCache::open(Config::builder(&directory).build()?)?;
/// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
/// let mut reader = cache.open_for_read("cirros")?.expect("it is cached");
/// std::fs::write(directory.join("cirros"), "an ima9e")?;
/// let error = reader.read(&mut [0; 8]).expect_err("it is damaged");
/// match Error::of_io(&error) {
///     Some(Error::Corrupt { damage, .. }) => assert_eq!(*damage, Damage::Bytes { start: 0, end: 8 }),
///     other => panic!("{other:?}"),
/// }
/// assert!(Error::is_retryable_io(&error), "it is no longer cached, so the next reader fetches it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The image id is not accepted; nothing was changed.
    InvalidImageId(InvalidImageId),
    /// The checksum is not accepted; nothing was changed.
    InvalidChecksum(InvalidChecksum),
    /// The configuration has faults; the error lists all of them.
    Config(ConfigError),
    /// The cache directory, or a file or folder in it, cannot be used.
    Directory {
        /// The operation.
        operation: &'static str,
        /// The directory or file.
        path: PathBuf,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The file of one image cannot be used.
    Image {
        /// The operation.
        operation: &'static str,
        /// The image.
        image_id: ImageId,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// A digest of the bytes is not the expected checksum; the file was moved to `invalid/`, and nothing was cached.
    ChecksumMismatch {
        /// The image that was fetched.
        image_id: ImageId,
        /// The expected checksum; if several digests differ, the first one in the order of
        /// [`ChecksumAlgorithm`](crate::ChecksumAlgorithm).
        expected: Checksum,
        /// The digest of the bytes, of the same algorithm.
        found: Checksum,
    },
    /// There are more or fewer bytes than expected; the file was moved to `invalid/`, and nothing was cached.
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
    Corrupt {
        /// The image that was read.
        image_id: ImageId,
        /// What was found, and what was expected.
        damage: Damage,
    },
    /// The file of a cached image became shorter during a read that was not verified (`image_cache_verify_reads` is off).
    Truncated {
        /// The image that was read.
        image_id: ImageId,
    },
    /// The source of an image failed; the bytes that had arrived were moved to `invalid/`.
    SourceFailed {
        /// The image that was fetched.
        image_id: ImageId,
        /// The error of the source.
        source: Arc<io::Error>,
    },
    /// The source of an image has no bytes now: it returned [`WouldBlock`](io::ErrorKind::WouldBlock). Nothing has failed; read
    /// again from the same reader. The kind is [`ResourceBusy`](io::ErrorKind::ResourceBusy), because a reader has no handle that
    /// could be waited for.
    SourceNotReady {
        /// The image that is fetched.
        image_id: ImageId,
        /// The error of the source.
        source: Arc<io::Error>,
    },
    /// The fetch that a reader followed ended or makes no progress, and the reader has no source of its own. A new reader may find
    /// the image cached, or another fetch.
    FetchLost {
        /// The image that was read.
        image_id: ImageId,
        /// What happened to the fetch.
        loss: FetchLoss,
    },
    /// The image changed during a read: it had to be fetched again, and begins with other bytes than those that this reader has
    /// returned.
    Changed {
        /// The image that was read.
        image_id: ImageId,
    },
    /// A source needs the image that is fetched from it, so the read would wait for itself.
    Deadlock {
        /// The image that was read.
        image_id: ImageId,
    },
    /// A file handle cannot be a source; nothing was read.
    UnsuitableFile {
        /// The image that was to be cached.
        image_id: ImageId,
        /// Why it is not accepted.
        reason: UnsuitableFile,
    },
    /// A reader was used after one of its reads had failed.
    ReaderFailed {
        /// The kind of the first error.
        kind: io::ErrorKind,
    },
    /// A writer was used after one of its writes had failed; nothing was cached.
    WriterFailed {
        /// The image that was written.
        image_id: ImageId,
    },
    /// A reader or writer was used in a forked child of the process that opened it.
    Forked {
        /// The image that was read or written.
        image_id: ImageId,
    },
    /// A call of the driver failed; the images are not affected.
    Metadata {
        /// The operation.
        operation: &'static str,
        /// The driver in use.
        driver: String,
        /// The error that it returned, or how it failed.
        reason: DriverFailure,
    },
    /// Another process has the cache open, and the operation needs exclusive use.
    InUse {
        /// The base directory.
        path: PathBuf,
    },
    /// The records could not be moved from one driver to another; the old records are unchanged.
    Migration {
        /// The old driver.
        from: String,
        /// The new driver.
        to: String,
        /// Why they could not be moved.
        reason: MigrationFailure,
    },
    /// The tokio runtime stopped during the operation.
    #[cfg(feature = "tokio")]
    RuntimeStopped,
    /// Neither the configured driver nor the sqlite driver could be used.
    NoDriver {
        /// The driver in the configuration.
        configured: String,
        /// Why it could not be used.
        reason: LoadError,
        /// Why the sqlite driver could not replace it; `None` if it is the configured driver.
        fallback: Option<Box<LoadError>>,
    },
}

impl Error {
    /// Adds the operation and the path in the cache directory to an error.
    pub(crate) fn directory(
        operation: &'static str,
        path: PathBuf,
    ) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Directory { operation, path, source: Arc::new(source) }
    }

    /// Adds the operation and the image to an error.
    pub(crate) fn image(
        operation: &'static str,
        image_id: &ImageId,
    ) -> impl FnOnce(io::Error) -> Error + use<> {
        let image_id = image_id.clone();
        move |source| Error::Image { operation, image_id, source: Arc::new(source) }
    }

    /// Adds the image to an error of its source.
    pub(crate) fn source_failed(image_id: &ImageId) -> impl FnOnce(io::Error) -> Error + use<> {
        let image_id = image_id.clone();
        move |source| Error::SourceFailed { image_id, source: Arc::new(source) }
    }

    /// What the operator can do about it, for a program that shows it apart from the problem.
    ///
    /// ```
    /// let error = image_cache::Error::InUse { path: "/srv/images".into() };
    /// assert!(error.remedy().is_some_and(|remedy| remedy.starts_with("stop what has it open")));
    /// ```
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        let remedy = match self {
            Error::Directory { source, .. } => remedy::of_directory(source),
            Error::ChecksumMismatch { .. } => remedy::CORRECT_CHECKSUM,
            Error::SizeMismatch { .. } => remedy::CORRECT_SIZE,
            Error::Corrupt { .. } => remedy::FETCH_AGAIN,
            Error::Truncated { .. } => remedy::DELETE_AND_FETCH,
            Error::SourceNotReady { .. } => remedy::READ_AGAIN,
            Error::FetchLost { .. } => remedy::READ_WITH_SOURCE,
            Error::Changed { .. } => remedy::READ_FROM_START,
            Error::ReaderFailed { .. } => remedy::OPEN_AGAIN,
            Error::Forked { .. } => remedy::OPEN_IN_PROCESS,
            Error::WriterFailed { .. } => remedy::BEGIN_AGAIN,
            Error::Metadata { .. } => remedy::SEE_STATUS,
            Error::InUse { path } => return Some(remedy::of_use(path).into()),
            _ => return None,
        };
        Some(remedy.into())
    }
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
        let expected = expected.checksum(found.algorithm());
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            let (image_id, expected, found) = (id.clone(), expected.clone(), found.clone());
            return Err(Error::ChecksumMismatch { image_id, expected, found });
        }
    }
    Ok(())
}

impl From<InvalidImageId> for Error {
    fn from(error: InvalidImageId) -> Self {
        Error::InvalidImageId(error)
    }
}

impl From<InvalidChecksum> for Error {
    fn from(error: InvalidChecksum) -> Self {
        Error::InvalidChecksum(error)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Config(error)
    }
}

impl From<DirectoryFault> for Error {
    fn from(DirectoryFault { path, source }: DirectoryFault) -> Self {
        Error::directory("use", path)(source)
    }
}
