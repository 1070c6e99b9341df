//! d
#![allow(dead_code)]
mod checksum;
mod directory;
mod driver;
mod image_id;
pub use checksum::{Checksum, ChecksumAlgorithm, InvalidChecksum};
pub use driver::{CacheSize, CachedImage, Eviction, Hit, Leftover, LeftoverState, Victim};
pub use image_id::{ImageId, InvalidImageId, MAX_IMAGE_ID_BYTES};
