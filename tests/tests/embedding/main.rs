//! What an embedded cache does to its process: threads, descriptors, signals, memory and times, several caches, and forked children.
//!
//! Each test runs the program `embedded`, which prints what it finds.

mod footprint;
mod forking;
mod sharing;

/// The program with the scenarios.
const PROGRAM: &str = env!("CARGO_BIN_EXE_embedded");
