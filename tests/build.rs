//! Builds the guests of the tests, and tells them where they lie.

use image_cache_guest_toolchain::{Guest, Workspace, build_script};
use std::process::ExitCode;

const GUESTS: [Guest; 2] = [
    Guest { package: "image-cache-guest-moody", directory: "tests/guests/moody" },
    Guest { package: "image-cache-driver-gdsf", directory: "drivers/examples/gdsf" },
];

fn main() -> ExitCode {
    // Where `cargo xtask` puts the example drivers in other languages.
    if let Ok(workspace) = Workspace::of_this_package() {
        println!("cargo::rustc-env=EXAMPLES={}", workspace.target.join("examples").display());
    }
    match build_script(&GUESTS) {
        Ok(paths) => {
            for path in paths {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
                println!("cargo::rustc-env=GUEST_{name}={}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
