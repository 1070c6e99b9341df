//! What lies on disk: the cache directory, the digests of its images' blocks, locks and reservations.

#![deny(missing_docs)]

mod directory;
pub mod integrity;
pub mod md5;
pub mod sync;

pub use directory::*;
