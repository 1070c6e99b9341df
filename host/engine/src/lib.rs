//! Drivers as WebAssembly components: they are loaded, bounded, and given what they were granted.

#![deny(missing_docs)]

mod bindings;
mod capability;
#[cfg(feature = "conformance")]
pub mod conformance;
mod driver;
mod engine;

pub use capability::images::OpenImage;
pub use driver::built_in::BuiltIn;
pub use driver::peak_usage::{Bound, Peak};
pub use driver::{
    CallError, Driver, DriverError, Inspection, LoadError, compile_fallback, inspect,
    time_to_compile,
};

/// What the fuzz target calls.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::capability::sql::sql_calls::check as sql_calls;
}
