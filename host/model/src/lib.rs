//! The values that all layers of image-cache use: ids, checksums, records, options, and text for a log.
//!
//! This package does not open the cache's directory, run a driver or keep state. Its only input is a configuration file that an
//! operator names ([`read_file`]); the feature `config-files` contains the formats of such files.

#![deny(missing_docs)]

mod checksum;
mod config;
mod driver_manifest;
mod events;
mod expected;
mod image_id;
pub mod names;
mod printable;
mod read_file;
mod records;
mod requester;
mod timestamp;

pub use checksum::{Checksum, ChecksumAlgorithm, InvalidChecksum};
pub use config::*;
pub use driver_manifest::{DriverManifest, InvalidManifest, MAX_MANIFEST, ManifestOption};
pub use events::{AdmissionRequest, Decision, Event, RemovalReason};
pub use expected::Expected;
pub use image_id::{ImageId, InvalidImageId, MAX_IMAGE_ID_BYTES, belongs_to_database};
pub use printable::{hides, printable};
pub use read_file::read_file;
pub use records::{CacheSize, CachedImage, Eviction, Hit, Leftover, LeftoverState, Victim};
pub use requester::{InvalidTenant, MAX_TENANT_BYTES, RequestKind, Requester, Tenant};
pub use timestamp::{system_time, timestamp};
