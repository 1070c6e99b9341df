//! Structure of the sources: import cycles, type names that are defined more than once, lines of code.
//!
//! A file depends on another file if its code uses a name that the other file defines. Re-exports are followed to the definition.
//! Method calls are not resolved. Test code is ignored.

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

/// Prints the report of the workspace.
pub fn show() -> Result<()> {
    print!("{}", Report::of(Path::new("."))?);
    Ok(())
}

/// Prints the report, and fails if there is a cycle or if too many type names are defined more than once.
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
