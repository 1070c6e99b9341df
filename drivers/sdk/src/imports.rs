//! The interfaces of the host: in a component those of the host, and in a unit test with the feature `testing` those of
//! [`testing`](crate::testing). Otherwise a call of an import panics outside a component.

#[cfg(any(target_family = "wasm", not(feature = "testing")))]
pub use crate::bindings::image_cache::driver::{
    attributes, capacity, files, log, metrics, pins, sql, transactions,
};
#[cfg(all(not(target_family = "wasm"), feature = "testing"))]
pub use crate::testing::{attributes, capacity, files, log, metrics, pins, sql, transactions};
