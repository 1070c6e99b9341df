//! Counts the instructions of the hot paths: a measure that does not depend on the load of the machine.
//!
//! Valgrind's callgrind counts the instructions outside of the kernel. The same program has the same count on any machine with the
//! same [`Machine`].

mod baseline;
mod counting;
mod machine;
mod paths;
mod valgrind;

pub use baseline::{Baseline, Difference, TOLERANCE};
pub use counting::{Count, Counting};
pub use machine::Machine;
pub use paths::{HotPath, MEASURED, PATHS, Threads};
pub use valgrind::Valgrind;
