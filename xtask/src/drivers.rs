//! `cargo xtask drivers`: installs the toolchain, and builds and shows each guest with its size and imports.

use crate::components::print_component;
use crate::examples;
use anyhow::Result;
use image_cache_guest_toolchain::{Guest, Toolchain, Workspace, build};
use std::time::Instant;

/// The guests of the workspace: the built-in drivers, the examples in Rust, and the guests of the tests except the hostile ones, which the
/// tests build.
const GUESTS: [Guest; 5] = [
    Guest { package: "image-cache-driver-sqlite", directory: "drivers/sqlite" },
    Guest { package: "image-cache-driver-xattr", directory: "drivers/xattr" },
    Guest { package: "image-cache-driver-gdsf", directory: "drivers/examples/gdsf" },
    Guest { package: "image-cache-driver-sieve", directory: "drivers/examples/sieve" },
    Guest { package: "image-cache-guest-faulty", directory: "tests/guests/faulty" },
];

/// The examples in Rust, which are kept beside those in other languages.
const EXAMPLES: [&str; 2] = ["gdsf", "sieve"];

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
    let components = build(&toolchain, &Workspace::of_this_package()?, &GUESTS)?;
    println!("Built in {:.1} s", start.elapsed().as_secs_f64());
    for component in components {
        print_component(&component);
        let component = component.confined()?;
        for example in EXAMPLES {
            if component.package == format!("image-cache-driver-{example}") {
                examples::keep(example, &component)?;
            }
        }
    }
    examples::build_and_show()
}
