//! What became of an image in the cache.

use image_cache_model::CachedImage;

/// What became of the attempt to cache an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is cached now, as this record says.
    Cached(CachedImage),
    /// It was there already.
    AlreadyCached,
    /// A live writer, here or in another process, is caching it.
    BeingCached,
    /// The driver refuses it.
    RefusedByDriver,
    /// The cache failed, for this reason; the source's bytes were not affected.
    CacheFailed(CacheFailure),
}

/// Why the cache could not keep an image; shown as a sentence, with the words of the system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheFailure {
    /// The cache directory cannot be read.
    #[error("cannot look at the cache: {0}")]
    Unreadable(String),
    /// The image's file cannot be written, or there is no space for it.
    #[error("cannot write to the cache: {0}")]
    Unwritable(String),
    /// The whole image cannot be moved to its place.
    #[error("cannot publish it: {0}")]
    Unpublished(String),
    /// A cached image cannot be read, so that it is fetched.
    #[error("it cannot be read: {0}")]
    CachedUnreadable(String),
    /// The driver could not say whether the image may be cached.
    #[error("{0}")]
    DriverFailed(String),
    /// The fetch that was to fill the cache for all readers failed.
    #[error("the fetch failed")]
    FetchFailed,
    /// The cache failed while another reader fetched the image for all.
    #[error("it failed while the image was fetched for all")]
    SharedFetchFailed,
}

impl CacheFailure {
    /// A stable word for logs and metrics, the same in each version: `unwritable`, for instance.
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
