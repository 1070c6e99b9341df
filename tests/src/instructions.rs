//! How many instructions the hot paths take: a measure that the machine's load does not disturb.
//!
//! Instructions outside of the kernel, counted by valgrind's callgrind. It knows no `openat2`, so cap-std opens files by the longer way
//! of older kernels: a little is counted that nobody pays. The same program gives the same count on any machine whose [`Machine`] is the same.

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
