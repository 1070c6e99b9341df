//! The public information about a fetch: its progress, and the origin of a reader's bytes.

/// The progress of an image's fetch in this process; see [`ImageCache::progress`](crate::ImageCache::progress).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchProgress {
    /// Bytes in the growing file; readers can get all except the last one.
    pub bytes: u64,
    /// Total bytes of the image, if the reader that started the fetch knew.
    pub size: Option<u64>,
}

/// Where a reader found its image when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// The image was cached.
    Cached,
    /// The image was being fetched, by this or another process: the reader follows.
    Shared,
    /// The image was not there: the reader started the fetch, and others may follow.
    Fetching,
    /// The reader uses its own source, without the cache: the driver refuses the image, there is no room, the cache failed, or
    /// the cached image is not the expected one.
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
