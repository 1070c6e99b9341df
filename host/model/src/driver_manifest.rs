//! What a driver says about itself before it runs: `driver.toml`, which its component carries.

#[cfg(feature = "config-files")]
mod parse;

use crate::config::Grant;
use std::collections::BTreeSet;

/// Longest manifest, in bytes.
pub const MAX_MANIFEST: usize = 64 << 10;

/// The manifest of a driver. The feature `config-files` reads one from its text, which is TOML.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct DriverManifest {
    /// The driver's name, the same that it reports when it is called.
    pub name: String,
    /// Who answers for it.
    pub author: String,
    /// Its version.
    pub version: String,
    /// What it does, in a few sentences; may be empty.
    pub description: String,
    /// The grants that it needs.
    pub grants: BTreeSet<Grant>,
    /// The limits that it needs, if the defaults are too low: the table `limits` of a configuration.
    #[cfg(feature = "config-files")]
    pub limits: toml::Table,
    /// Its options, in the order of their names.
    pub options: Vec<ManifestOption>,
}

/// An option of a driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestOption {
    /// Its name.
    pub name: String,
    /// Its value if it is not set; may be empty.
    pub default: String,
    /// Which values are accepted, in words.
    pub accepted: String,
    /// Its purpose.
    pub help: String,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidManifest(String);

impl DriverManifest {
    /// Reads a manifest from its text; `None` in a build without the feature `config-files`, which reads no TOML.
    pub fn read(text: &str) -> Option<Result<DriverManifest, InvalidManifest>> {
        parsed(text)
    }
}

#[cfg(feature = "config-files")]
fn parsed(text: &str) -> Option<Result<DriverManifest, InvalidManifest>> {
    Some(text.parse())
}

#[cfg(not(feature = "config-files"))]
fn parsed(_: &str) -> Option<Result<DriverManifest, InvalidManifest>> {
    None
}
