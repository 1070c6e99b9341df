//! The interface of `wit/`, from the host's side: code that `cargo xtask bindings` generates.
//!
//! It is included, and not a module of its own, so that tools for our code leave it alone.

#![allow(
    missing_docs,
    dead_code,
    unused_qualifications,
    unused_variables,
    clippy::all,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    reason = "generated code"
)]

include!("bindings/image_cache_driver.rs");

/// The interfaces that a driver may export in addition. No component needs to export all of them, so only the parts are used.
pub mod optional {
    include!("bindings/optional_exports.rs");
}
