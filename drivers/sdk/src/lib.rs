//! Write a driver of image-cache in Rust: one trait, one macro, and the types of the WIT interface.
//!
//! A driver keeps the *records* of the cache (hits, ages, sizes) and its *policy* (what is cacheable, what is evicted first,
//! what cleaning removes). It is a `cdylib` crate, compiled for `wasm32-unknown-unknown` and turned into a component. The
//! contract is in the `.wit` files in `wit/`, and each item here carries its words from there. `image-cache driver new NAME`
//! writes such a crate, `image-cache driver build` compiles it, `image-cache driver check` runs the conformance suite against it.
//!
//! # A complete driver
//!
//! Its records are kept in SQL by [`SqlRecords`], and it evicts the largest image first:
//!
#![doc = concat!("```\n", include_str!("../examples/largest_first.rs"), "# fn main() {}\n```\n")]
//!
//! # What a driver can rely on
//! - A component imports only what it uses; beyond `log`, each import needs a grant of the same name.
//! - A panic is a trap: what it said is in the host's log, at level `error`, and a new instance takes over.
//! - On other targets than WebAssembly everything compiles, and calling an import panics: keep what is worth testing in functions
//!   that call none, and test those natively.

mod checksum;
mod driver;
mod error;
mod export;
mod hits;
mod lru;
mod options;
mod records;

pub use checksum::checksum_from_hex;
pub use driver::{Driver, stalled_leftovers};
pub use error::error_words;
pub use hits::{ImageHits, hits_by_image};
pub use lru::LruSelector;
pub use options::Options;
pub use records::SqlRecords;

/// What `wit-bindgen` makes of the WIT package; use the re-exports beside it.
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
pub use bindings::image_cache::driver::{attributes, files, log, sql, types};

#[doc(hidden)]
pub use export::{Exported, Slot};

/// All that a driver usually names.
pub mod prelude {
    pub use crate::log::{Level, log};
    pub use crate::sql::{Statement, Value};
    pub use crate::types::{CachedImage, Checksum, ChecksumAlgorithm, Error};
    pub use crate::{
        CacheSize, ConfigurationError, Description, Driver, Eviction, Hit, Leftover, LeftoverState,
        Options, SqlRecords, Victim,
    };
    pub use crate::{attributes, error_words, export_driver, files, sql};
}
