//! The outcome of caching an image.

use image_cache_model::CachedImage;

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

/// Why the cache could not store an image. Its text includes the system's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheFailure {
    /// The cache directory cannot be read.
    #[error("cannot read the cache: {0}")]
    Unreadable(String),
    /// The image's file cannot be written, or there is no space for it.
    #[error("cannot write to the cache: {0}")]
    Unwritable(String),
    /// The complete image cannot be published.
    #[error("cannot publish it: {0}")]
    Unpublished(String),
    /// A cached image cannot be read, so it is fetched.
    #[error("it cannot be read: {0}")]
    CachedUnreadable(String),
    /// The driver could not decide whether the image may be cached.
    #[error("{0}")]
    DriverFailed(String),
    /// The fetch that fills the cache for all readers failed.
    #[error("the fetch failed")]
    FetchFailed,
    /// The cache failed during the fetch that all readers share.
    #[error("the cache failed during the shared fetch")]
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
}
