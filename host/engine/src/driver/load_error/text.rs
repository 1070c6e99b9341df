//! The texts of the reasons why a driver cannot be used, and their causes.

use super::super::interfaces::{MAJOR, PACKAGE, WASI_PACKAGES, own_interfaces};
use super::{LoadError, LoadFault};
use image_cache_model::Grant;
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::mem::discriminant;

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        write!(f, "driver {:?} cannot be used: {}", self.driver, faults.join("; "))
    }
}

impl StdError for LoadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.faults.iter().find_map(|fault| fault.source())
    }
}

impl fmt::Display for LoadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::Call(error) => write!(f, "{error}"),
            LoadFault::Other(words) => f.write_str(words),
            LoadFault::UnknownDriver { .. }
            | LoadFault::CentralizedDb
            | LoadFault::PolicyNotBuiltIn { .. } => self.fmt_of_name(f),
            LoadFault::NotAFile { .. }
            | LoadFault::Unreadable { .. }
            | LoadFault::TooLarge { .. }
            | LoadFault::WrongDigest { .. }
            | LoadFault::InvalidComponent { .. }
            | LoadFault::DoesNotCompile { .. }
            | LoadFault::DoesNotLink { .. } => self.fmt_of_file(f),
            LoadFault::NotADriver { .. }
            | LoadFault::ContractVersion { .. }
            | LoadFault::InvalidManifest(_)
            | LoadFault::GrantNotInManifest { .. }
            | LoadFault::OtherName { .. }
            | LoadFault::ChangedName { .. } => self.fmt_of_description(f),
            LoadFault::NotGranted { .. }
            | LoadFault::WasiNotBuiltIn { .. }
            | LoadFault::UnknownInterface { .. }
            | LoadFault::UnsupportedInterface { .. }
            | LoadFault::ForeignImport { .. }
            | LoadFault::UncoveredWasi { .. } => self.fmt_of_import(f),
            LoadFault::NoEngine { .. }
            | LoadFault::NoThread { .. }
            | LoadFault::DatabaseOwner { .. }
            | LoadFault::DatabaseInUse { .. }
            | LoadFault::NotQuarantined { .. }
            | LoadFault::Directory { .. } => self.fmt_of_host(f),
        }
    }
}

impl LoadFault {
    /// The text of a fault of the configured name.
    fn fmt_of_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::UnknownDriver { known } => {
                let known: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
                write!(
                    f,
                    "no driver has this name; known are {}, and a path to a component (with a '/' in it, or ending in .wasm)",
                    known.join(", ")
                )
            }
            LoadFault::CentralizedDb => f.write_str(
                "Glance's centralized_db keeps its records in Glance's own database server, which only Glance can use; \
                 set image_cache_driver to sqlite or xattr",
            ),
            LoadFault::PolicyNotBuiltIn { driver } => write!(
                f,
                "this program was built without the driver {driver}: build it with the feature `policies`, or name a component in [drivers.{driver}]"
            ),
            _ => Ok(()),
        }
    }

    /// The text of a fault of the component's file.
    fn fmt_of_file(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::NotAFile { path } => {
                write!(f, "{} is no file; specify the path of a component", path.display())
            }
            LoadFault::Unreadable { path, source } => {
                write!(f, "{} cannot be read: {source}", path.display())
            }
            LoadFault::TooLarge { path, limit } => write!(
                f,
                "{} has more than {}; if this is intended, raise `limits.component`",
                path.display(),
                bytes(*limit)
            ),
            LoadFault::WrongDigest { driver, found, pinned } => write!(
                f,
                "its SHA-256 is {}, not {} as pinned; if the change is intended, correct `sha256` in [drivers.{driver}]",
                hex::encode(found),
                hex::encode(pinned)
            ),
            LoadFault::InvalidComponent { path: Some(path), reason } => {
                write!(f, "{}: {reason}", path.display())
            }
            LoadFault::InvalidComponent { path: None, reason } => write!(f, "{reason}"),
            LoadFault::DoesNotCompile { reason } => write!(f, "it does not compile: {reason}"),
            LoadFault::DoesNotLink { reason } => write!(f, "it cannot be linked: {reason}"),
            _ => Ok(()),
        }
    }

    /// The text of a fault of what the component exports, or says about itself.
    fn fmt_of_description(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::NotADriver { exports } => write!(
                f,
                "it is a component of another world: it does not export {PACKAGE}/driver@{MAJOR}.x{}",
                listed(" but ", exports)
            ),
            LoadFault::ContractVersion { found } => write!(
                f,
                "it exports {PACKAGE}/driver@{found}, another major version: the host speaks {MAJOR}.x; \
                 build it against the interface of this release"
            ),
            LoadFault::InvalidManifest(error) => {
                write!(f, "its manifest (driver.toml) is broken: {error}")
            }
            LoadFault::GrantNotInManifest { grant } => write!(
                f,
                "its manifest (driver.toml) does not name the grant {grant}, which it imports"
            ),
            LoadFault::OtherName { manifest, reported } => write!(
                f,
                "its manifest (driver.toml) names {manifest:?}, but the driver itself reports the name {reported:?}"
            ),
            LoadFault::ChangedName { before, after } => write!(
                f,
                "describe: it reports another name once it is configured: {after:?}, before {before:?}"
            ),
            _ => Ok(()),
        }
    }

    /// The text of a fault of the process, the directory or the database.
    fn fmt_of_host(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::NoEngine { reason } => {
                write!(f, "WebAssembly cannot run in this process: {reason}")
            }
            LoadFault::NoThread { source } => {
                write!(f, "WebAssembly cannot run in this process: {source}")
            }
            LoadFault::DatabaseOwner { source } => {
                write!(f, "cannot find out to which driver its database belongs: {source}")
            }
            LoadFault::DatabaseInUse { owner, process } => write!(
                f,
                "its database belongs to the driver {owner:?}, which process {process} uses now: let that process load its driver again (`serve`: SIGHUP), stop it, or give this driver another name in the configuration"
            ),
            LoadFault::NotQuarantined { corruption, source } => write!(
                f,
                "its database is corrupt or no database: {corruption}; it could not be quarantined either: {source}; move it away yourself"
            ),
            LoadFault::Directory { path, source } => {
                write!(f, "{} cannot be used: {source}", path.display())
            }
            _ => Ok(()),
        }
    }

    /// The text of a fault of what the component imports.
    fn fmt_of_import(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::NotGranted { driver, imports, granted, missing } => {
                f.write_str(&not_granted(driver, imports, granted, missing))
            }
            LoadFault::WasiNotBuiltIn { import } => write!(
                f,
                "it imports {import}, which needs the grant \"wasi\", and this program was built without it: \
                 build the program with the feature `wasi` of the package image-cache, or the driver without WASI"
            ),
            LoadFault::UnknownInterface { import } => write!(
                f,
                "it imports {import}, which this host does not have: of {PACKAGE}@{MAJOR}.x it has {}; \
                 update the host, or build the driver for it",
                own_interfaces()
            ),
            LoadFault::UnsupportedInterface { import } => write!(
                f,
                "it imports {import}, a version that the host does not speak ({PACKAGE}@{MAJOR}.x); \
                 build it against the interface of this release"
            ),
            LoadFault::ForeignImport { import } => write!(
                f,
                "it imports {import}, which no grant covers; a driver may import {} of {PACKAGE}@{MAJOR}.x",
                own_interfaces()
            ),
            LoadFault::UncoveredWasi { import } => write!(
                f,
                "it imports {import}, which the grant \"wasi\" does not cover: that is {} at 0.2; build it without",
                WASI_PACKAGES.join(", ")
            ),
            _ => Ok(()),
        }
    }
}

impl StdError for LoadFault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            LoadFault::Unreadable { source, .. }
            | LoadFault::NoThread { source }
            | LoadFault::DatabaseOwner { source }
            | LoadFault::NotQuarantined { source, .. }
            | LoadFault::Directory { source, .. } => Some(&**source),
            // The text is that of the call, so its cause is that of the call, too.
            LoadFault::Call(error) => error.source(),
            _ => None,
        }
    }
}

impl PartialEq for LoadFault {
    fn eq(&self, other: &LoadFault) -> bool {
        discriminant(self) == discriminant(other) && self.to_string() == other.to_string()
    }
}

impl Eq for LoadFault {}

fn not_granted(
    driver: &str,
    imports: &[String],
    granted: &BTreeSet<Grant>,
    missing: &BTreeSet<Grant>,
) -> String {
    let all: Vec<String> = granted.union(missing).map(|grant| format!("\"{grant}\"")).collect();
    let place = if driver.contains('/') || driver.ends_with(".wasm") { "NAME" } else { driver };
    format!(
        "it imports what it was not granted: {}; if you trust it with that, set `grants = [{}]` in [drivers.{place}]",
        imports.join(", "),
        all.join(", ")
    )
}

/// A number of bytes, in MiB if it is a multiple.
fn bytes(number: u64) -> String {
    match number % (1 << 20) {
        0 => format!("{} MiB", number >> 20),
        _ => format!("{number} bytes"),
    }
}

fn listed(before: &str, names: &[String]) -> String {
    if names.is_empty() {
        return " nor anything else".into();
    }
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    format!("{before}{}{}", shown.join(", "), if names.len() > 5 { ", …" } else { "" })
}
