//! Drivers that are not built in: their components, grants and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// The drivers that Glance has too. They are built in and have no options; no other driver may have their names, in upper or lower
/// case.
pub const RESERVED_DRIVERS: &[&str] = &["sqlite", "xattr"];

/// The built-in drivers of further policies: a table of such a name without a component sets their options and limits; with a
/// component it defines another driver.
pub const POLICY_DRIVERS: &[&str] = &["gdsf", "s3-fifo", "sieve", "two-hit"];

/// A driver's table, `[drivers.NAME]`. The default has no component, which only the [policies](POLICY_DRIVERS) may lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverConfig {
    /// The WebAssembly component; empty for a built-in driver.
    pub component: PathBuf,
    /// The SHA-256 digest of the component; a component with another digest is refused.
    pub sha256: Option<[u8; 32]>,
    /// The capabilities that the driver may import.
    pub grants: BTreeSet<Grant>,
    /// The options that the driver reads.
    pub options: BTreeMap<String, String>,
    /// The limits of the driver.
    pub limits: Limits,
}

impl DriverConfig {
    /// A driver with the default limits, without SHA-256 digest, grants and options.
    ///
    /// ```
    /// use image_cache_model::{Config, DriverConfig, Grant};
    /// let mut lfu = DriverConfig::new("/usr/lib/image-cache/lfu.wasm");
    /// lfu.grants.insert(Grant::Sql);
    /// let config = Config::builder("/var/lib/images").define_driver("lfu", lfu).driver("lfu").build()?;
    /// assert_eq!(config.drivers["lfu"].limits.memory, 64 << 20);
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
    pub fn new(component: impl Into<PathBuf>) -> DriverConfig {
        DriverConfig { component: component.into(), ..DriverConfig::default() }
    }
}

/// Declares the grants with their names; their lists come from this one.
macro_rules! grants {
    ($(#[$first_doc:meta])* $First:ident $first:literal $(, $(#[$doc:meta])* $Other:ident $other:literal)* $(,)?) => {
        /// A capability that a driver may import.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Grant {
            $(#[$first_doc])* $First,
            $($(#[$doc])* $Other,)*
        }

        impl Grant {
            /// All grants.
            pub const ALL: &'static [Grant] = &[Grant::$First $(, Grant::$Other)*];

            /// Their names, for a text.
            pub const NAMES: &str = concat!($first $(, ", ", $other)*);

            /// What the option accepts.
            pub(super) const ACCEPTED: &str =
                concat!("an array of \"", $first, "\"" $(, ", \"", $other, "\"")*);

            /// The name in a configuration.
            pub fn name(self) -> &'static str {
                match self {
                    Grant::$First => $first,
                    $(Grant::$Other => $other,)*
                }
            }
        }
    };
}

grants! {
    /// A database of its own.
    Sql "sql",
    /// Its own extended attributes on the cached images.
    Attributes "attributes",
    /// Names, sizes and times of the cached images.
    Files "files",
    /// WASI with an empty context: no files, no network, no environment.
    Wasi "wasi",
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// No grant has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no grant: accepted are {names}", names = Grant::NAMES)]
pub struct UnknownGrant(pub String);

impl std::str::FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(name: &str) -> Result<Grant, UnknownGrant> {
        Grant::ALL
            .iter()
            .copied()
            .find(|grant| grant.name() == name)
            .ok_or_else(|| UnknownGrant(name.to_owned()))
    }
}

/// The limits of a driver: memory and time of each call, and disk space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of linear memory: 64 MiB by default.
    pub memory: u64,
    /// Processor time in the guest, without host calls: 1 s by default.
    pub guest_time: Duration,
    /// Time of the whole call, with host calls: 2 s by default.
    pub call_time: Duration,
    /// Bytes of the component: 32 MiB by default. A larger one is not read.
    pub component: u64,
    /// Bytes of its database on disk, with SQLite's log: 1 GiB by default.
    pub database: u64,
    /// The number of core instances, of memories and of tables in one instance of the driver: 32 each by default. A component
    /// that is composed of many modules (Python with `--stub-wasi`) needs more.
    pub instances: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 64 << 20,
            guest_time: Duration::from_secs(1),
            call_time: Duration::from_secs(2),
            component: 32 << 20,
            database: 1 << 30,
            instances: 32,
        }
    }
}
