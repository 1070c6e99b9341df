//! Records of cached images, and the arguments of driver calls.

use crate::checksum::Checksum;
use crate::image_id::ImageId;
use crate::requester::Requester;
use std::time::SystemTime;

/// The record of one cached image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedImage {
    /// The image.
    pub image_id: ImageId,
    /// Bytes in the cached file.
    pub size: u64,
    /// Reads that were served to their end.
    pub hits: u64,
    /// When the last hit was, or when the image was cached; precise to microseconds.
    pub last_accessed: SystemTime,
    /// The cached file's modification time; precise to microseconds.
    pub last_modified: SystemTime,
    /// The checksum of the bytes, if it is known.
    pub checksum: Option<Checksum>,
}

impl CachedImage {
    /// The record of an image that was cached at `at`, which is also the modification time of its file, without hits and checksum.
    ///
    /// ```
    /// use image_cache_model::CachedImage;
    /// use std::time::SystemTime;
    /// let image = CachedImage::new("cirros".parse()?, 12, SystemTime::UNIX_EPOCH).with_hits(3);
    /// assert_eq!((image.size, image.hits, image.checksum), (12, 3, None));
    /// # Ok::<(), image_cache_model::InvalidImageId>(())
    /// ```
    pub fn new(image_id: ImageId, size: u64, at: SystemTime) -> CachedImage {
        let (hits, checksum) = (0, None);
        CachedImage { image_id, size, hits, last_accessed: at, last_modified: at, checksum }
    }

    /// The same record with this size.
    #[must_use]
    pub fn with_size(self, size: u64) -> CachedImage {
        CachedImage { size, ..self }
    }

    /// The same record with this number of hits.
    #[must_use]
    pub fn with_hits(self, hits: u64) -> CachedImage {
        CachedImage { hits, ..self }
    }

    /// The same record, last accessed at this time.
    #[must_use]
    pub fn with_last_accessed(self, last_accessed: SystemTime) -> CachedImage {
        CachedImage { last_accessed, ..self }
    }

    /// The same record of a file that was last modified at this time.
    #[must_use]
    pub fn with_last_modified(self, last_modified: SystemTime) -> CachedImage {
        CachedImage { last_modified, ..self }
    }

    /// The same record with this checksum, or without one.
    #[must_use]
    pub fn with_checksum(self, checksum: Option<Checksum>) -> CachedImage {
        CachedImage { checksum, ..self }
    }
}

/// One read that was served to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The image that was read.
    pub image_id: ImageId,
    /// When its last byte was delivered.
    pub at: SystemTime,
    /// The number of bytes that were read: those of the image, or of the part that was requested.
    pub bytes: u64,
    /// Who read it.
    pub requester: Requester,
}

impl Hit {
    /// A read by a client of an unknown tenant, of an unknown number of bytes.
    pub fn new(image_id: ImageId, at: SystemTime) -> Hit {
        Hit { image_id, at, bytes: 0, requester: Requester::default() }
    }
}

/// A number of images, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheSize {
    /// Number of images.
    pub images: u64,
    /// Their total size in bytes.
    pub bytes: u64,
}

/// The arguments of a call that asks the driver for victims.
#[derive(Debug, Clone)]
pub struct Eviction<'a> {
    /// The time of the call.
    pub now: SystemTime,
    /// Bytes that must be freed; with 0 the driver names only images that its own policy evicts.
    pub bytes_needed: u64,
    /// Images that are pinned or could not be removed, so that the driver must name others.
    pub exclude: &'a [ImageId],
    /// The largest number of victims to name.
    pub limit: u32,
    /// What the cache holds, if it was counted: the driver can ask for it.
    pub cached: Option<CacheSize>,
}

/// An image that the driver names for eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// The image.
    pub image_id: ImageId,
    /// Its size in bytes, as the driver recorded it.
    pub size: u64,
}

/// The folder of a leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftoverState {
    /// In `incomplete/`, without a writer.
    Incomplete,
    /// In `invalid/`.
    Invalid,
}

/// A file that a failed or interrupted fetch left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The image of that fetch.
    pub image_id: ImageId,
    /// Its folder.
    pub state: LeftoverState,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
}
