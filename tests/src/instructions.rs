//! How many instructions the hot paths take: a measure that no load of the machine disturbs.

mod paths;

pub use paths::{HotPath, MEASURED, PATHS, Threads};
