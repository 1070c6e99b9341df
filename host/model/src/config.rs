//! The options of a cache: what they mean, where they come from, and every fault in them at once.

mod builder;
mod check;
mod choice;
mod driver_table;
mod fault;
mod layers;
mod option;
mod oslo;
mod toml_file;
mod value;

pub use builder::ConfigBuilder;
pub use choice::{Durability, OtherWriter, UnknownChoice};
pub use fault::{ConfigError, ConfigFault};
pub use layers::ConfigLayers;
pub use option::ConfigOption;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The drivers that are built in; their names are taken, whatever the letter case.
pub const BUILT_IN_DRIVERS: [&str; 2] = ["sqlite", "xattr"];

/// Bytes that the cached images may have together, unless the configuration says otherwise: 10 GiB.
const DEFAULT_MAX_SIZE: u64 = 10 << 30;

/// After how long an incomplete file is stalled, unless the configuration says otherwise: a day.
const DEFAULT_STALL_TIME: Duration = Duration::from_secs(86_400);

/// How long a writer may bring nothing before who follows it goes on alone: 30 s.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

/// How long an image is safe from the driver's own policy: 60 s.
const DEFAULT_MIN_AGE: Duration = Duration::from_secs(60);

/// Everything that a cache is told when it is opened.
///
/// Made by [`Config::builder`], read from a file by [`Config::from_file`], or put together from a
/// file, the environment and flags by [`ConfigLayers`].
///
/// ```
/// use image_cache_model::Config;
/// let config = Config::from_toml(
///     r#"
///     image_cache_dir = "/var/lib/images"
///     image_cache_max_size = "500 GiB"
///     "#,
///     "image-cache.toml".as_ref(),
/// )?;
/// assert_eq!(config.max_size, 500 << 30);
/// assert_eq!(config.driver, "sqlite");
/// # Ok::<(), image_cache_model::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `image_cache_dir`: the base directory. A relative one is relative to the current directory.
    pub dir: PathBuf,
    /// `image_cache_driver`: a built-in name, a name in `drivers`, or the path of a component.
    pub driver: String,
    /// `image_cache_max_size`: bytes above which pruning evicts.
    pub max_size: u64,
    /// `image_cache_stall_time`: after how long an incomplete file is stalled.
    pub stall_time: Duration,
    /// `image_cache_sqlite_db`: the sqlite driver's database, relative to `dir` and inside it.
    pub sqlite_db: PathBuf,
    /// `image_cache_hit_delay`: how long hits may be gathered before they are written.
    pub hit_delay: Duration,
    /// `image_cache_min_free`: bytes of the file system that stay free; below, nothing is cached.
    pub min_free: u64,
    /// `image_cache_max_images`: images above which pruning evicts; nothing for any number.
    pub max_images: Option<u64>,
    /// `image_cache_min_free_inodes`: inodes of the file system that stay free; below, nothing is cached.
    pub min_free_inodes: u64,
    /// `image_cache_hard_limit`: whether room is made before an image is let in, so that `max_size` and
    /// `max_images` are never exceeded, not even for a while.
    pub hard_limit: bool,
    /// `image_cache_verify_reads`: whether every read verifies the blocks that it serves.
    pub verify_reads: bool,
    /// `image_cache_durability`: what is on disk when an image is said to be cached.
    pub durability: Durability,
    /// `image_cache_other_writer`: what a reader does whose image another process is fetching.
    pub other_writer: OtherWriter,
    /// `image_cache_other_writer_patience`: how long a writer may bring nothing before who follows it goes
    /// on alone.
    pub other_writer_patience: Duration,
    /// `image_cache_fetch_to_end`: whether a fetch that nobody reads any more goes on to its end.
    pub fetch_to_end: bool,
    /// `image_cache_policy_min_age`: what was published or read so lately is evicted only where the size demands it.
    pub policy_min_age: Duration,
    /// `image_cache_policy_may_empty`: whether one prune may evict more than half of the cache for the driver's own policy.
    pub policy_may_empty: bool,
    /// `[drivers.NAME]`: the drivers that are not built in.
    pub drivers: BTreeMap<String, DriverConfig>,
}

impl Config {
    /// Starts a configuration in code; every option but the directory has its default.
    ///
    /// ```
    /// let config = image_cache_model::Config::builder("/var/lib/images").driver("xattr").build()?;
    /// assert_eq!(config.driver, "xattr");
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
    pub fn builder(dir: impl Into<PathBuf>) -> ConfigBuilder {
        ConfigBuilder::new(dir.into())
    }

    /// Reads a TOML file, or an oslo.config file: one whose name ends in `.conf` or `.ini`, or
    /// that begins with the section `[DEFAULT]`.
    ///
    /// # Errors
    /// Every fault of the file, or the one that it cannot be read.
    ///
    /// ```no_run
    /// let config = image_cache_model::Config::from_file("/etc/glance/glance-api.conf".as_ref())?;
    /// # Ok::<(), image_cache_model::ConfigError>(())
    /// ```
    pub fn from_file(path: &Path) -> Result<Config, ConfigError> {
        ConfigLayers::new().file(path).build()
    }

    /// Reads TOML; `origin` is the file that faults name, and whose directory relative paths of
    /// components start at.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn from_toml(text: &str, origin: &Path) -> Result<Config, ConfigError> {
        ConfigLayers::new().toml(text, origin).build()
    }
}

/// A driver that is not built in: `[drivers.NAME]`. The default has no component, which is a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverConfig {
    /// The WebAssembly component.
    pub component: PathBuf,
    /// The SHA-256 digest that the component must have; a component that differs is refused.
    pub sha256: Option<[u8; 32]>,
    /// What the driver may import.
    pub grants: BTreeSet<Grant>,
    /// What the driver is configured with.
    pub options: BTreeMap<String, String>,
    /// What a call may use.
    pub limits: Limits,
}

impl DriverConfig {
    /// A driver without a pin, grants and options, under the default limits.
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

/// A capability that a driver may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// A database of its own.
    Sql,
    /// Its own extended attributes of the cached images.
    Attributes,
    /// Names, sizes and times of the cached images.
    Files,
    /// WASI with an empty context: no files, no network, no environment.
    Wasi,
}

impl Grant {
    /// Every grant there is.
    pub const ALL: [Grant; 4] = [Grant::Sql, Grant::Attributes, Grant::Files, Grant::Wasi];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Grant::Sql => "sql",
            Grant::Attributes => "attributes",
            Grant::Files => "files",
            Grant::Wasi => "wasi",
        }
    }
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// No grant has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no grant: sql, attributes, files and wasi are accepted")]
pub struct UnknownGrant(pub String);

impl std::str::FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(name: &str) -> Result<Grant, UnknownGrant> {
        Grant::ALL
            .into_iter()
            .find(|grant| grant.name() == name)
            .ok_or_else(|| UnknownGrant(name.to_owned()))
    }
}

/// What a driver may use: its calls, each for itself, and what it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory: 64 MiB by default.
    pub memory: u64,
    /// Time in the guest, host calls not counted: 1 s by default.
    pub guest_time: Duration,
    /// Time of the whole call, host calls included: 2 s by default.
    pub call_time: Duration,
    /// Bytes of the component: 32 MiB by default. A larger one is not read.
    pub component: u64,
    /// Bytes of disk that its database may have, SQLite's log included: 1 GiB by default.
    pub database: u64,
    /// Core instances, memories and tables of one instance of the driver, so many of each: 32 by default. A component that is
    /// composed of many (Python with `--stub-wasi`) needs more.
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
