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
//! - A component imports only the interfaces that it uses; `types`, `requests`, `log`, `capacity`, `pins` and `metrics` need no
//!   grant, `transactions` needs the grant `sql`, and each other import a grant of its name.
//! - A driver may export more than [`Driver`]: implement [`AdmissionPolicy`], [`EventListener`] or [`Timer`], and name it in
//!   [`export_driver!`]: `export_driver!(MyDriver, admission, events, timer)`.
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
mod optional;
mod options;
mod records;
mod sql_driver;
#[cfg(all(not(target_family = "wasm"), feature = "testing"))]
pub mod testing;
mod values;

pub use admission::Admission;
pub use checksum::checksum_from_hex;
pub use driver::{Driver, stalled_leftovers};
pub use error::error_words;
pub use hits::{ImageHits, hits_by_image};
pub use lru::LruSelector;
pub use optional::{AdmissionPolicy, EventListener, Timer, client_request};
pub use options::Options;
pub use records::{SqlRecords, rows_for};
pub use sql_driver::SqlDriver;
pub use values::{integer, statement, unsigned};

/// The code of the interfaces, which `wit-bindgen` generated from the WIT package (`cargo xtask bindings`); use the re-exports instead.
/// It is included, so that tools for our code leave it alone.
#[doc(hidden)]
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated code")]
#[allow(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn, reason = "generated code")]
#[allow(unused_qualifications, reason = "generated code")]
pub mod bindings {
    include!("bindings/image_cache_driver.rs");
}

/// The same for the interfaces that a driver may export: each has a world of its own, so that a driver exports only what it names.
#[doc(hidden)]
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated code")]
#[allow(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn, reason = "generated code")]
#[allow(unused_qualifications, reason = "generated code")]
pub mod admission_bindings {
    include!("bindings/admission_policy.rs");
}

#[doc(hidden)]
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated code")]
#[allow(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn, reason = "generated code")]
#[allow(unused_qualifications, reason = "generated code")]
pub mod event_bindings {
    include!("bindings/event_listener.rs");
}

#[doc(hidden)]
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated code")]
#[allow(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn, reason = "generated code")]
#[allow(unused_qualifications, reason = "generated code")]
pub mod timer_bindings {
    include!("bindings/timer_listener.rs");
}

pub use admission_bindings::exports::image_cache::driver::admission::{AdmissionRequest, Decision};
pub use admission_bindings::image_cache::driver::requests::{RequestKind, Requester};
pub use event_bindings::exports::image_cache::driver::events::{
    Event, Fetched, NotCached, Read, RemovalReason, Removed,
};

pub use bindings::exports::image_cache::driver::driver::{
    CacheSize, ConfigurationError, Description, Eviction, Hit, Leftover, LeftoverState, Victim,
};
pub use bindings::image_cache::driver::types;
pub use imports::{attributes, capacity, files, log, metrics, pins, sql, transactions};

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
    pub use crate::{
        AdmissionPolicy, AdmissionRequest, Decision, Event, EventListener, RemovalReason,
        RequestKind, Requester, Timer,
    };
    pub use crate::{attributes, capacity, error_words, export_driver, files, sql};
    pub use crate::{integer, statement, unsigned};
    pub use crate::{metrics, pins, transactions};
}
