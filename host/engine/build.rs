//! Builds the drivers that the host embeds.

use image_cache_guest_toolchain::{Guest, build_script};
use std::process::ExitCode;

#[cfg(fuzzing)]
#[path = "../../fuzz/src/no_coverage.rs"]
mod no_coverage;

const DRIVERS: [Guest; 2] = [
    Guest { package: "image-cache-driver-sqlite", directory: "drivers/sqlite" },
    Guest { package: "image-cache-driver-xattr", directory: "drivers/xattr" },
];

fn main() -> ExitCode {
    match build_script(&DRIVERS) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
