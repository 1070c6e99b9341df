//! `cargo xtask drivers`: installs the toolchain, and builds and shows each guest with its size and imports.

use crate::components::print_component;
use crate::examples;
use anyhow::Result;
use image_cache_guest_toolchain::{Guest, Toolchain, Workspace, build};
use std::time::Instant;

/// The built-in drivers.
pub const BUILT_IN: [Guest; 6] = [
    Guest { package: "image-cache-driver-sqlite", directory: "drivers/sqlite" },
    Guest { package: "image-cache-driver-xattr", directory: "drivers/xattr" },
    Guest { package: "image-cache-driver-gdsf", directory: "drivers/gdsf" },
    Guest { package: "image-cache-driver-s3-fifo", directory: "drivers/s3-fifo" },
    Guest { package: "image-cache-driver-sieve", directory: "drivers/sieve" },
    Guest { package: "image-cache-driver-two-hit", directory: "drivers/two-hit" },
];

/// The example drivers in Rust, and the guests of the tests except the hostile ones, which the tests build.
const OTHERS: [Guest; 4] = [
    Guest { package: "image-cache-driver-cost", directory: "drivers/examples/cost-rs" },
    Guest { package: "image-cache-driver-expiry", directory: "drivers/examples/expiry-rs" },
    Guest { package: "image-cache-driver-quota", directory: "drivers/examples/quota-rs" },
    Guest { package: "image-cache-guest-faulty", directory: "tests/guests/faulty" },
];

/// Finds or installs the toolchain, and prints each step.
pub fn toolchain() -> Result<Toolchain> {
    let toolchain = Toolchain::find_or_install(|words| println!("{words}"))?;
    println!("Drivers are compiled by {toolchain}");
    Ok(toolchain)
}

/// Builds all guests, and prints each component's size and imports. If a component imports a foreign interface, this is an error.
pub fn build_and_show() -> Result<()> {
    let toolchain = toolchain()?;
    let start = Instant::now();
    let components =
        build(&toolchain, &Workspace::of_this_package()?, &[&BUILT_IN[..], &OTHERS].concat())?;
    println!("Built in {:.1} s", start.elapsed().as_secs_f64());
    for component in components {
        print_component(&component);
        component.confined()?;
    }
    examples::build_and_show()
}
