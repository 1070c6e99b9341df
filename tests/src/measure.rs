//! Measures image-cache and its peers in turns, in one run: samples, their medians and ranges, rows of a table, and their output.
//!
//! ```no_run
//! use image_cache_tests::measure::{Row, Side, in_turns};
//! let sides = vec![
//!     Side::new("ours", || Ok(vec![20.0])),
//!     Side::new("a peer", || Ok(vec![1000.0])),
//!     Side::missing("another", "it is not installed"),
//! ];
//! let scores = in_turns(5, sides).unwrap();
//! let row = Row::new("hit", "of 1 KiB", "µs", &scores, 0).at_most(50.0);
//! ```

mod bench;
mod figure;
pub mod files;
mod glance;
mod machine;
pub mod native;
mod output;
mod row;
mod table;
mod turns;
mod worker;

pub use bench::{Bench, Measure, compiled, main};
pub use figure::{Figure, median};
pub use glance::{DRIVERS as GLANCE_DRIVERS, Glance, Told, drivers_like};
pub use machine::{binary, memory_of, openssl_md5};
pub use row::Row;
pub use table::{Asked, mib_per_second};
pub use turns::{Peer, Score, Side, in_turns};
pub use worker::{Work, WorkerProcess};
