//! Drivers as WebAssembly components: loading, limits and granted interfaces.

#![deny(missing_docs)]

mod bindings;
mod capability;
#[cfg(feature = "conformance")]
pub mod conformance;
mod driver;
mod engine;

pub use capability::images::OpenImage;
pub use capability::metrics::{DriverMetric, MetricValue};
pub use capability::simulated_images::SimulatedImages;
pub use driver::built_in::BuiltIn;
pub use driver::peak_usage::{Bound, Peak};
pub use driver::{
    CallError, CallFailure, ComponentFault, ConfigurationRefusal, Driver, DriverError, Inspection,
    LoadError, LoadFault, compile_fallback, inspect, time_to_compile,
};

/// The entry points of the fuzz target.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::capability::sql::sql_calls::check as sql_calls;
}
