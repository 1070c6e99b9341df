//! The policies in the plots and in the table.

use anyhow::{Context, Result};
use image_cache_guest_toolchain::{Guest, Toolchain, Workspace, build};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A driver with its options.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Its name in the configuration, and so in the results.
    pub name: &'static str,
    /// The component, if it is not the built-in driver of this name with its defaults.
    guest: Option<Guest>,
    /// A TOML table.
    options: &'static str,
}

const fn built_in(name: &'static str) -> Candidate {
    Candidate { name, guest: None, options: "{}" }
}

/// Admission at the second request before another policy.
const fn after_two_hit(name: &'static str, guest: Guest) -> Candidate {
    Candidate { name, guest: Some(guest), options: "{ admission = \"two-hit\" }" }
}

const COST: Guest =
    Guest { package: "image-cache-driver-cost", directory: "drivers/examples/cost-rs" };
const EXPIRY: Guest =
    Guest { package: "image-cache-driver-expiry", directory: "drivers/examples/expiry-rs" };
const GDSF: Guest = Guest { package: "image-cache-driver-gdsf", directory: "drivers/gdsf" };
const S3_FIFO: Guest =
    Guest { package: "image-cache-driver-s3-fifo", directory: "drivers/s3-fifo" };
const SIEVE: Guest = Guest { package: "image-cache-driver-sieve", directory: "drivers/sieve" };

/// What a plot shows: the end of its file's name, and the policies. xattr and the example quota without quotas have the policy of
/// sqlite. The examples in other languages are not here: this needs no other toolchain.
pub const GROUPS: [(&str, &[Candidate]); 2] = [
    (
        "",
        &[
            built_in("sqlite"),
            built_in("gdsf"),
            built_in("s3-fifo"),
            built_in("sieve"),
            Candidate { name: "cost", guest: Some(COST), options: "{}" },
            Candidate { name: "expiry-1h", guest: Some(EXPIRY), options: "{ default = \"3600\" }" },
        ],
    ),
    (
        "-two-hit",
        &[
            built_in("two-hit"),
            after_two_hit("two-hit-gdsf", GDSF),
            after_two_hit("two-hit-s3-fifo", S3_FIFO),
            after_two_hit("two-hit-sieve", SIEVE),
        ],
    ),
];

/// All policies, in the order of the table.
pub fn all() -> Vec<Candidate> {
    GROUPS.iter().flat_map(|(_, group)| group.iter().copied()).collect()
}

/// Builds the components into this directory, and writes a configuration that names them; returns its path.
pub fn prepare(toolchain: &Toolchain, place: &Path) -> Result<PathBuf> {
    let guests = [COST, EXPIRY, GDSF, S3_FIFO, SIEVE];
    for component in build(toolchain, &Workspace::of_this_package()?, &guests)? {
        let path = place.join(&component.package).with_extension("wasm");
        fs::write(&path, &component.bytes).with_context(|| path.display().to_string())?;
    }
    let mut config = String::new();
    for Candidate { name, guest, options } in all() {
        let Some(guest) = guest else { continue };
        let path = place.join(guest.package).with_extension("wasm");
        writeln!(
            config,
            "[drivers.{name}]\ncomponent = {path:?}\ngrants = [\"sql\"]\noptions = {options}\n"
        )?;
    }
    let path = place.join("policies.toml");
    fs::write(&path, config).with_context(|| path.display().to_string())?;
    Ok(path)
}
