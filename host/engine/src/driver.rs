//! Drivers: the component, its limits, and the results of its calls.

mod backtrace;
pub mod built_in;
mod causes;
pub mod compile_cache;
mod component;
mod component_fault;
mod convert;
pub mod deadline;
pub mod driver_spec;
mod error;
mod exports;
pub mod host_state;
mod import_check;
mod inspect;
mod instance;
mod interfaces;
mod load;
pub mod load_error;
mod loaded_driver;
mod memory_limiter;
pub mod peak_usage;
#[cfg(test)]
mod testing;

#[cfg(test)]
#[path = "../../../fuzz/src/driver_targets/mod.rs"]
mod fuzz_targets;

pub use component_fault::ComponentFault;
pub use error::{CallError, CallFailure, ConfigurationRefusal, DriverError};
pub use inspect::{Inspection, inspect, time_to_compile};
pub use load::compile_fallback;
pub use load_error::{LoadError, LoadFault};
pub use loaded_driver::Driver;
