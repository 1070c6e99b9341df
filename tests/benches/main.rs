//! Compares image-cache with its peers: one program with all measurements, which `cargo xtask bench` runs.
//!
//! It is one program because linking a program takes minutes; each measurement nevertheless runs in its own process.

mod driver;
mod growth;
mod hostile;
mod library;
mod process;
mod serve;
mod simulate;

use image_cache_tests::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = [
        &library::MEASURES[..],
        &driver::MEASURES,
        &process::MEASURES,
        &hostile::MEASURES,
        &serve::MEASURES,
        &simulate::MEASURES,
        &growth::MEASURES,
    ];
    measure::main(&parts.concat(), &library::WORKS)
}
