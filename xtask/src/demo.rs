//! `cargo xtask demo`: builds the command line as a user would, and uses it on a real image.

mod image;
mod program;
mod steps;
mod table;

use crate::command::{cargo, step};
use crate::drivers;
use anyhow::{Context, Result};
use image::Image;
use std::env;
use std::path::{Path, PathBuf};
use table::Figures;

/// If this variable is set, the demonstration uses the binary that it names, and builds none.
const BINARY: &str = "IMAGE_CACHE_DEMO_BINARY";

/// Runs the demonstration on this file; without a file, on an image that it finds or creates.
pub fn run(file: Option<PathBuf>) -> Result<()> {
    let binary = match env::var_os(BINARY) {
        Some(binary) => PathBuf::from(binary),
        None => build()?,
    };
    let image = Image::find(file)?;
    let mut figures = Figures::default();
    for driver in ["sqlite", "xattr"] {
        steps::show(&binary, driver, &image, &mut figures)
            .with_context(|| format!("driver {driver}"))?;
    }
    steps::show_fallback(&binary, &image).context("the fallback")?;
    println!("\n{}", figures.table());
    println!(
        "The times are those of whole commands. Each step checked its result, and all were right."
    );
    println!("The program is {}", binary.display());
    Ok(())
}

/// Builds the same as `cargo build --release`: the command line, the workspace's default member.
fn build() -> Result<PathBuf> {
    drivers::toolchain()?;
    println!("Building the command line; without earlier builds this takes some minutes");
    step("Build", cargo(&["build", "--release", "--locked"]))?;
    // This program is in the same target directory, in the folder of another profile.
    let this = env::current_exe().context("this program has no path")?;
    let target =
        this.parent().and_then(Path::parent).context("this program lies in no target directory")?;
    Ok(target.join("release/image-cache"))
}
