//! What a fetch shows to the outside: how far it has come, and where a reader's bytes come from.

/// How far the fetch of an image in this process has come; see
/// [`ImageCache::progress`](crate::ImageCache::progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchProgress {
    /// Bytes that lie in the growing file: readers can have all of them but the last one.
    pub bytes: u64,
    /// Bytes that the image has in all, if the reader that began the fetch knew.
    pub size: Option<u64>,
}

/// Where a reader found its image when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// In the cache.
    Cached,
    /// Being fetched, here or by another process: it reads along.
    Shared,
    /// Nowhere: it began the fetch, and others may read along.
    Fetching,
    /// At its own source, past the cache: the driver refuses the image, there is no room, the cache failed,
    /// or what is cached is not what was expected.
    Passing,
}

impl Route {
    /// `cached`, `shared`, `fetching` or `passing`, for logs.
    pub fn name(self) -> &'static str {
        match self {
            Route::Cached => "cached",
            Route::Shared => "shared",
            Route::Fetching => "fetching",
            Route::Passing => "passing",
        }
    }
}
