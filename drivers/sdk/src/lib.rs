//! Write a driver of image-cache in Rust: one trait, one macro, and the types of the WIT interface.
//!
//! A driver keeps the *records* of the cache (hits, ages, sizes) and its *policy* (which images are cacheable, which are evicted
//! first, which files cleaning removes). It is a `cdylib` crate, compiled for `wasm32-unknown-unknown` and converted to a
//! component. The contract is in the `.wit` files in `wit/`, and the items of this crate have the documentation from these files.
//! `image-cache driver new NAME` creates such a crate, `image-cache driver build` compiles it, `image-cache driver check` runs
//! the conformance suite on it.
//!
//! # A complete driver
//!
//! Its records are in SQL, in [`SqlRecords`], and it evicts the largest image first:
//!
#![doc = concat!("```\n", include_str!("../examples/largest_first.rs"), "# fn main() {}\n```\n")]
//!
//! # What a driver can rely on
//! - A component imports only the interfaces that it uses; every import except `types`, `log` and `capacity` needs a
//!   grant of the same name.
//! - A panic is a trap: its message is in the host's log, at level `error`, and the host creates a new instance.
//! - On targets other than WebAssembly everything compiles, but a call to an import panics, except in unit tests with the feature
//!   `testing`: its module `testing` is a host in memory, on which a policy is tested in milliseconds.

mod admission;
mod checksum;
mod driver;
mod error;
mod export;
mod hits;
mod imports;
mod lru;
mod options;
mod records;
mod sql_driver;
#[cfg(all(not(target_family = "wasm"), feature = "testing"))]
pub mod testing;

pub use admission::Admission;
pub use checksum::checksum_from_hex;
pub use driver::{Driver, stalled_leftovers};
pub use error::error_words;
pub use hits::{ImageHits, hits_by_image};
pub use lru::LruSelector;
pub use options::Options;
pub use records::SqlRecords;
pub use sql_driver::SqlDriver;

/// The code that `wit-bindgen` generates from the WIT package; use the re-exports instead.
#[doc(hidden)]
#[allow(missing_docs, clippy::undocumented_unsafe_blocks, clippy::all, reason = "generated code")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "image-cache-driver",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "image_cache_driver_sdk::bindings",
        additional_derives: [PartialEq],
    });
}

pub use bindings::exports::image_cache::driver::driver::{
    CacheSize, ConfigurationError, Description, Eviction, Hit, Leftover, LeftoverState, Victim,
};
pub use bindings::image_cache::driver::types;
pub use imports::{attributes, capacity, files, log, sql};

#[doc(hidden)]
pub use export::{Exported, Slot};

/// The names that most drivers need.
pub mod prelude {
    pub use crate::log::{Level, log};
    pub use crate::sql::{Statement, Value};
    pub use crate::types::{CachedImage, Checksum, ChecksumAlgorithm, Error};
    pub use crate::{
        Admission, CacheSize, ConfigurationError, Description, Driver, Eviction, Hit, Leftover,
        LeftoverState, Options, SqlDriver, SqlRecords, Victim,
    };
    pub use crate::{attributes, capacity, error_words, export_driver, files, sql};
}
