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

const POLICIES: [Guest; 4] = [
    Guest { package: "image-cache-driver-gdsf", directory: "drivers/gdsf" },
    Guest { package: "image-cache-driver-s3-fifo", directory: "drivers/s3-fifo" },
    Guest { package: "image-cache-driver-sieve", directory: "drivers/sieve" },
    Guest { package: "image-cache-driver-two-hit", directory: "drivers/two-hit" },
];

fn main() -> ExitCode {
    let mut drivers = DRIVERS.to_vec();
    if cfg!(feature = "policies") {
        drivers.extend(POLICIES);
    }
    match build_script(&drivers) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
