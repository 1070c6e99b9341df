//! The outcome of caching an image.

use crate::error::Error;
use image_cache_model::CachedImage;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The outcome of an attempt to cache an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is cached now, with this record.
    Cached(CachedImage),
    /// It was already cached.
    AlreadyCached,
    /// A live writer, in this or another process, is caching it.
    BeingCached,
    /// The driver refuses it, for this reason if it names one.
    RefusedByDriver(Option<String>),
    /// The cache failed, for this reason; the source's bytes were not affected.
    CacheFailed(CacheFailure),
}

/// Why the cache could not store an image. Its text includes the system's message. Clones share the error inside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CacheFailure {
    /// The cache directory cannot be read.
    Unreadable(Arc<io::Error>),
    /// The image's file cannot be written, or there is no space for it
    /// ([`StorageFull`](io::ErrorKind::StorageFull)).
    Unwritable(Arc<io::Error>),
    /// The complete image cannot be published.
    Unpublished(Arc<io::Error>),
    /// A cached image cannot be read, so it is fetched.
    CachedUnreadable(Arc<Error>),
    /// The driver could not decide whether the image may be cached.
    DriverFailed(Arc<Error>),
    /// The fetch that fills the cache for all readers failed.
    FetchFailed,
    /// The cache failed during the fetch that all readers share.
    SharedFetchFailed,
}

impl CacheFailure {
    /// A word for logs and metrics, the same in each version, for example `unwritable`.
    pub fn name(&self) -> &'static str {
        match self {
            CacheFailure::Unreadable(_) => "unreadable",
            CacheFailure::Unwritable(_) => "unwritable",
            CacheFailure::Unpublished(_) => "unpublished",
            CacheFailure::CachedUnreadable(_) => "cached-unreadable",
            CacheFailure::DriverFailed(_) => "driver-failed",
            CacheFailure::FetchFailed => "fetch-failed",
            CacheFailure::SharedFetchFailed => "shared-fetch-failed",
        }
    }

    /// The error of the system inside, with its kind and error number, if there is one.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            CacheFailure::Unreadable(error)
            | CacheFailure::Unwritable(error)
            | CacheFailure::Unpublished(error) => Some(error),
            CacheFailure::CachedUnreadable(error) | CacheFailure::DriverFailed(error) => {
                error.io_error()
            }
            CacheFailure::FetchFailed | CacheFailure::SharedFetchFailed => None,
        }
    }

    /// Whether the image may be cached by a later attempt, although nobody changes anything; see [`Error::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        match self {
            CacheFailure::Unreadable(error)
            | CacheFailure::Unwritable(error)
            | CacheFailure::Unpublished(error) => Error::is_retryable_io(error),
            CacheFailure::CachedUnreadable(error) | CacheFailure::DriverFailed(error) => {
                error.is_retryable()
            }
            CacheFailure::FetchFailed | CacheFailure::SharedFetchFailed => true,
        }
    }
}

impl fmt::Display for CacheFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheFailure::Unreadable(error) => write!(f, "cannot read the cache: {error}"),
            CacheFailure::Unwritable(error) => write!(f, "cannot write to the cache: {error}"),
            CacheFailure::Unpublished(error) => write!(f, "cannot publish it: {error}"),
            CacheFailure::CachedUnreadable(error) => write!(f, "it cannot be read: {error}"),
            CacheFailure::DriverFailed(error) => fmt::Display::fmt(error, f),
            CacheFailure::FetchFailed => f.write_str("the fetch failed"),
            CacheFailure::SharedFetchFailed => {
                f.write_str("the cache failed during the shared fetch")
            }
        }
    }
}

impl StdError for CacheFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            CacheFailure::Unreadable(error)
            | CacheFailure::Unwritable(error)
            | CacheFailure::Unpublished(error) => Some(&**error),
            CacheFailure::CachedUnreadable(error) | CacheFailure::DriverFailed(error) => {
                Some(&**error)
            }
            CacheFailure::FetchFailed | CacheFailure::SharedFetchFailed => None,
        }
    }
}

/// Two failures are equal if their names and texts are: errors of the system cannot be compared.
impl PartialEq for CacheFailure {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.to_string() == other.to_string()
    }
}

impl Eq for CacheFailure {}
