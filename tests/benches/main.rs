//! Ours beside the peers: one program of all that is measured, run by `cargo xtask bench`.
//!
//! One program, since linking one takes minutes; each measure is nevertheless a process of its own.

mod driver;
mod growth;
mod hostile;
mod library;
mod process;
mod serve;

use image_cache_tests::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = [
        &library::MEASURES[..],
        &driver::MEASURES,
        &process::MEASURES,
        &hostile::MEASURES,
        &serve::MEASURES,
        &growth::MEASURES,
    ];
    measure::main(&parts.concat(), &library::WORKS)
}
