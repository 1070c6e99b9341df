//! A disk cache for large images (VM disks, ISOs; 1 MiB to 100 GiB). WebAssembly components keep its records.
//!
//! [`ImageCache`] streams an image from a slow [source](std::io::Read) to its reader and keeps a verified copy in a directory
//! that OpenStack Glance can use, too. A *driver* decides which images are cached and which are evicted first: a component with
//! the WIT interface `image-cache:driver/driver`, selected in the [`Config`]. The built-in sqlite driver replaces a driver that
//! cannot be used, and [`ImageCache::driver`] returns the reason.
//!
//! ```
//! use image_cache::{Config, Error, Expected, ImageCache, Outcome};
//! use std::io::{Cursor, Read};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let directory = scratch.path().join("cache");
//! let config = Config::builder(directory).driver("sqlite").max_size(50 << 30).build()?;
//! let cache = ImageCache::open(config)?;
//!
//! // An uncached image is read from the slow store. The last byte is returned after size and checksum are verified.
//! let slow_store = Cursor::new(b"hello");
//! let expected = Expected::nothing().with_size(5).with_md5("5d41402abc4b2a76b9719d911017c592")?;
//! let mut reader = cache.caching_reader("greeting", slow_store, expected)?;
//! let mut image = Vec::new();
//! reader.read_to_end(&mut image)?;
//! assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
//!
//! // A cached image is read from local disk, whole or in part. Each read to the end is a hit.
//! let mut part = String::new();
//! cache.open_range("greeting", 1..4)?.expect("it was cached").read_to_string(&mut part)?;
//! assert_eq!((part.as_str(), cache.hit_count("greeting")?), ("ell", 1));
//!
//! // Many readers of an uncached image share one fetch: the first that needs bytes opens the source, the others
//! // follow. No reader waits for another, and all end with the same result.
//! let open_store = || Ok(Cursor::new(b"a large image"));
//! let not_needed = || -> std::io::Result<Cursor<&[u8]>> { unreachable!("the first reader's is used") };
//! let first = cache.get_or_fetch("large", Expected::nothing(), open_store)?;
//! let mut second = cache.get_or_fetch("large", Expected::nothing(), not_needed)?;
//! let mut whole = String::new();
//! second.read_to_string(&mut whole)?;
//! assert_eq!((whole.as_str(), cache.is_cached("large")?), ("a large image", true));
//! drop(first);
//!
//! // If the store sends other bytes than expected, that is detected before the end, and nothing is cached.
//! let lie = Expected::nothing().with_size(6);
//! let refused = cache.cache_image("other", Cursor::new(b"hello"), lie);
//! assert!(matches!(refused, Err(Error::SizeMismatch { expected: 6, found: 5, .. })));
//!
//! // From time to time: prune to the maximum size, and remove leftovers of failed fetches.
//! assert_eq!(cache.prune()?.images, 0);
//! assert_eq!(cache.clean(None)?.invalid, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Features: `config-files`, which is on by default, reads configurations from files in TOML and INI. `tokio` adds the
//! asynchronous API, `wasi` the grant of this name, `policies` built-in drivers of further policies, and `conformance` the suite that
//! every driver must pass.

#![deny(missing_docs)]

mod cache;
mod clean;
mod delete;
mod error;
mod events;
mod fill;
mod hits;
mod live_config;
mod metadata;
mod metrics;
mod migrate;
mod outcome;
mod prune;
mod reading;
mod reconcile;
mod refusals;
mod repeated_warning;
mod resuming;
mod single_flight;
mod space;
mod tee;
#[cfg(feature = "tokio")]
pub mod tokio;
mod withheld;
mod writer;

pub use cache::{Explanation, ImageCache, ImageList, Status, Verified, WholeImage};
pub use clean::Cleaned;
pub use delete::NotRemoved;
pub use error::{
    Damage, DriverFailure, Error, FetchLoss, MigrationFailure, Result, UnsuitableFile,
};
pub use events::{CacheEvent, Subscription};
pub use image_cache_engine::{
    Bound, BuiltIn, CallError, CallFailure, ComponentFault, ConfigurationRefusal, Driver,
    DriverError, DriverMetric, Inspection, LoadError, LoadFault, MetricValue, Peak, inspect,
    time_to_compile,
};
#[cfg(feature = "conformance")]
pub use image_cache_engine::{conformance, for_each_conformance_case, for_each_lru_case};
pub use image_cache_model::{
    AdmissionRequest, CacheSize, CachedImage, Checksum, ChecksumAlgorithm, CompiledDrivers, Config,
    ConfigBuilder, ConfigError, ConfigFault, ConfigLayers, ConfigOption, DRIVER_KEYS, Decision,
    DriverConfig, DriverKey, DriverManifest, Durability, Event, Eviction, Expected, Grant, Hit,
    ImageId, InvalidChecksum, InvalidImageId, InvalidManifest, InvalidTenant, Leftover,
    LeftoverState, Limits, MAX_IMAGE_ID_BYTES, MAX_MANIFEST, ManifestOption, OptionDefinition,
    OtherWriter, RESERVED_DRIVERS, RemovalReason, RequestKind, Requester, Tenant, UnknownChoice,
    UnknownGrant, Victim, is_driver_name, parse_bytes, read_file,
};
pub use image_cache_store::integrity::Trust;
pub use image_cache_store::{
    FileIdentity, Pin, PinnedImage, RunningDriver, RunningProcess, SmallFiles, names,
};
pub use metadata::{DriverStatus, Fallback, FallbackReason, LastFallback};
pub use metrics::{CacheMetric, Counters, DriverCalls, MetricKind, MetricNumber};
pub use migrate::{Migrated, migrate};
pub use outcome::{CacheFailure, Outcome};
pub use prune::{EvictionCause, PlannedEviction, Pruned};
pub use reading::{CachedFile, CachedReader};
pub use resuming::{Break, Resuming};
pub use single_flight::{FetchProgress, FetchReader, Route};
pub use tee::CachingReader;
pub use writer::{ImageWriter, SourceRead};

/// The examples of the README, compiled by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the page on embedding, compiled by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;
