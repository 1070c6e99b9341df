//! What the metadata of cached images is made of, and what is asked of a driver.

use crate::checksum::Checksum;
use crate::image_id::ImageId;
use std::time::SystemTime;

/// What the records say of one cached image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedImage {
    /// The image.
    pub image_id: ImageId,
    /// Bytes in the cached file.
    pub size: u64,
    /// Reads that were served to their end.
    pub hits: u64,
    /// When the last hit was, or when the image was cached; microseconds count.
    pub last_accessed: SystemTime,
    /// The cached file's modification time; microseconds count.
    pub last_modified: SystemTime,
    /// Of the bytes, where it is known.
    pub checksum: Option<Checksum>,
}

/// One read that was served to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The image that was read.
    pub image_id: ImageId,
    /// When its last byte was delivered.
    pub at: SystemTime,
}

/// Images and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheSize {
    /// How many images.
    pub images: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// A question to the driver: what is to be evicted first?
#[derive(Debug, Clone)]
pub struct Eviction<'a> {
    /// The time of the question.
    pub now: SystemTime,
    /// How many bytes are to go; 0 asks only for what the policy wants gone anyway.
    pub bytes_needed: u64,
    /// Images that could not be removed: others are to be named.
    pub exclude: &'a [ImageId],
    /// At most so many victims are to be named.
    pub limit: u32,
}

/// An image that the driver names for eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// The image.
    pub image_id: ImageId,
    /// Its size in bytes, as the driver has it.
    pub size: u64,
}

/// Where a leftover lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftoverState {
    /// In `incomplete/`, its writer gone.
    Incomplete,
    /// In `invalid/`.
    Invalid,
}

/// A file left behind by a fetch that failed or never ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The image whose fetch it was.
    pub image_id: ImageId,
    /// Where it lies.
    pub state: LeftoverState,
    /// Bytes.
    pub size: u64,
    /// When it was last written to.
    pub modified: SystemTime,
}
