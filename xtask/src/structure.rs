//! Structure of the sources: circles of files, type names that are defined more than once, lines of code.
//!
//! A file is tied to another one when its code uses a name that the other one defines. Re-exports are followed to the
//! definition. Calls of methods are not seen. Code for tests does not count.

mod edges;
mod graph;
mod lines;
mod modules;
mod names;
mod packages;
mod report;
mod resolve;
mod source;
mod tokens;
mod types;
mod uses;

use anyhow::{Result, bail};
use report::Report;
use std::path::Path;
use std::time::Instant;

/// Prints what is found in the workspace.
pub fn show() -> Result<()> {
    print!("{}", Report::of(Path::new("."))?);
    Ok(())
}

/// Prints what is found, and fails if there is a circle or too many type names are defined more than once.
pub fn check() -> Result<()> {
    println!("\n=== Structure of the sources");
    let start = Instant::now();
    let report = Report::of(Path::new("."))?;
    let faults = report.faults();
    if !faults.is_empty() {
        print!("{report}");
        bail!("{}", faults.join("; "));
    }
    println!("--- Structure: {} files, {:.1} s", report.files(), start.elapsed().as_secs_f64());
    Ok(())
}
