//! Drivers: the component, its limits, and the results of its calls.

mod backtrace;
pub mod built_in;
pub mod compile_cache;
mod component;
mod convert;
pub mod deadline;
pub mod driver_spec;
mod error;
mod exports;
pub mod host_state;
mod import_check;
mod inspect;
mod instance;
mod load;
mod loaded_driver;
mod memory_limiter;
pub mod peak_usage;
#[cfg(test)]
mod testing;

#[cfg(test)]
#[path = "../../../fuzz/src/driver_targets/mod.rs"]
mod fuzz_targets;

pub use error::{CallError, DriverError, LoadError};
pub use inspect::{Inspection, inspect, time_to_compile};
pub use load::compile_fallback;
pub use loaded_driver::Driver;
