//! A disk cache for large images (VM disks, ISOs; 1 MiB to 100 GiB) whose books are kept by WebAssembly
//! components.

#![deny(missing_docs)]

mod books;
mod cache;
mod checksum;
mod clean;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod directory;
mod driver;
mod error;
mod expected;
mod fill;
mod hits;
mod image_id;
mod prune;
mod reading;
mod reconcile;
mod removing;
mod sync;
mod tee;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use books::{DriverStatus, Fallback};
pub use cache::{ImageCache, Kept, Status};
pub use checksum::{Checksum, ChecksumAlgorithm, InvalidChecksum};
pub use clean::Cleaned;
pub use config::*;
pub use driver::{
    CacheSize, CachedImage, CallError, Driver, DriverError, Eviction, Hit, Leftover, LeftoverState, Victim,
};
pub use error::{Error, Result};
pub use expected::{Expected, Outcome};
pub use image_id::{ImageId, InvalidImageId, MAX_IMAGE_ID_BYTES};
pub use prune::Pruned;
pub use reading::CachedReader;
pub use tee::CachingReader;
