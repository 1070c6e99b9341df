//! The faults of a configuration, each with its place and the accepted values.

use crate::printable;
use std::fmt;
#[cfg(feature = "config-files")]
use std::path::Path;

/// Longest key that is not shortened, in bytes.
const MAX_KEY: usize = 500;

/// One fault in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// Its place: a file and line, a flag, an environment variable, or the builder; empty if it has none.
    pub origin: String,
    /// The option, with its table (`drivers.lfu.sha256`); empty if the fault concerns the whole file.
    pub key: String,
    /// The value that was found.
    pub found: String,
    /// The values that are accepted.
    pub accepted: String,
}

impl ConfigFault {
    /// A fault of a value: its place, the option, the value that was found, and the values that are accepted.
    pub fn new(
        origin: impl Into<String>,
        key: impl Into<String>,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) -> ConfigFault {
        let (origin, key) = (origin.into(), key.into());
        ConfigFault { origin, key, found: found.into(), accepted: accepted.into() }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.origin.is_empty() {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}; accepted: {}", self.found, self.accepted)
    }
}

/// All faults of a configuration, in the order of its layers. Each is printed on its own line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The faults; never empty.
    pub faults: Vec<ConfigFault>,
}

impl ConfigError {
    /// An error with these faults, of which there must be at least one.
    pub fn new(faults: Vec<ConfigFault>) -> ConfigError {
        ConfigError { faults }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.as_slice() {
            [fault] => write!(f, "the configuration has a fault: {fault}"),
            faults => {
                write!(f, "the configuration has {} faults:", faults.len())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// A value that is not accepted; its place is added later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) found: String,
    pub(super) accepted: String,
}

impl Rejected {
    pub(super) fn new(found: impl Into<String>, accepted: impl Into<String>) -> Rejected {
        Rejected { found: found.into(), accepted: accepted.into() }
    }

    /// The fault of an option. A key from a file may be any text, so it is escaped and shortened.
    pub(super) fn at(self, origin: impl Into<String>, key: impl AsRef<str>) -> ConfigFault {
        ConfigFault {
            origin: origin.into(),
            key: printable(key.as_ref(), MAX_KEY),
            found: self.found,
            accepted: self.accepted,
        }
    }
}

/// A text for a fault: quoted, escaped and shortened.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(120).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// A line of a file, as the origin of a fault; the first line is 1.
#[cfg(feature = "config-files")]
pub(super) fn at_line(path: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}

/// The accepted names, for an unknown name; suggests the nearest one.
#[cfg(feature = "config-files")]
pub(super) fn known(name: &str, names: &[&str]) -> String {
    let nearest = names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name.to_ascii_lowercase(), known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 4 + 1);
    match nearest {
        Some((_, nearest)) => format!("{} (did you mean {nearest}?)", names.join(", ")),
        None => names.join(", "),
    }
}
