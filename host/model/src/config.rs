//! The configuration of a cache. The table of options is in `option_table.rs`. All faults of a configuration are reported at
//! once.

mod builder;
mod check;
mod choice;
mod compiled_drivers;
mod driver_config;
mod driver_keys;
#[cfg(feature = "config-files")]
mod driver_table;
mod fault;
#[cfg(feature = "config-files")]
mod files;
mod given;
mod layers;
mod option_macro;
mod option_table;
#[cfg(feature = "config-files")]
mod oslo;
#[cfg(feature = "config-files")]
mod toml_file;
#[cfg(feature = "config-files")]
mod toml_reader;

pub use check::is_driver_name;
pub use choice::{Durability, OtherWriter, UnknownChoice};
pub use compiled_drivers::CompiledDrivers;
pub use driver_config::{
    DriverConfig, Grant, Limits, POLICY_DRIVERS, RESERVED_DRIVERS, UnknownGrant,
};
pub use driver_keys::{DRIVER_KEYS, DriverKey};
pub use fault::{ConfigError, ConfigFault};
pub use given::parse_bytes;
pub use layers::ConfigLayers;
pub use option_macro::OptionDefinition;
pub use option_table::{ConfigBuilder, ConfigOption};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration of a cache.
///
/// Built by [`Config::builder`], combined from the environment and flags by [`ConfigLayers`], or, with the feature `config-files`,
/// read from a file by `Config::from_file`.
///
/// ```
/// use image_cache_model::Config;
/// let config = Config::builder("/var/lib/images").max_size(500 << 30).build()?;
/// assert_eq!(config.driver, "sqlite");
/// # Ok::<(), image_cache_model::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `image_cache_dir`: the base directory. A relative one is relative to the current directory.
    pub dir: PathBuf,
    /// `image_cache_driver`: a built-in name, a name in `drivers`, or the path of a component.
    pub driver: String,
    /// `image_cache_max_size`: bytes above which pruning evicts.
    pub max_size: u64,
    /// `image_cache_stall_time`: the time after which an incomplete file is stalled.
    pub stall_time: Duration,
    /// `image_cache_sqlite_db`: the sqlite driver's database, relative to `dir` and inside it.
    pub sqlite_db: PathBuf,
    /// `image_cache_hit_delay`: how long hits may be collected before they are recorded.
    pub hit_delay: Duration,
    /// `image_cache_min_free`: free bytes of the file system that caching must leave.
    pub min_free: u64,
    /// `image_cache_max_images`: the number of images above which pruning evicts; `None` for any number.
    pub max_images: Option<u64>,
    /// `image_cache_min_free_inodes`: free inodes of the file system that caching must leave.
    pub min_free_inodes: u64,
    /// `image_cache_hard_limit`: whether room is made before an image is cached, so that `max_size` and `max_images` are never
    /// exceeded.
    pub hard_limit: bool,
    /// `image_cache_verify_reads`: whether a read verifies blocks before it serves them.
    pub verify_reads: bool,
    /// `image_cache_durability`: which data is flushed to disk before an image counts as cached.
    pub durability: Durability,
    /// `image_cache_other_writer`: what a reader does if another process is fetching its image.
    pub other_writer: OtherWriter,
    /// `image_cache_other_writer_patience`: how long another process's fetch may make no progress before its readers stop
    /// following it.
    pub other_writer_patience: Duration,
    /// `image_cache_fetch_to_end`: whether a fetch continues to its end when no reader is left.
    pub fetch_to_end: bool,
    /// `image_cache_policy_min_age`: an image that was published or read within this time is evicted only because of the limits.
    pub policy_min_age: Duration,
    /// `image_cache_policy_may_empty`: whether one prune may evict more than half of the cache for the driver's own policy.
    pub policy_may_empty: bool,
    /// `image_cache_trusted_keys`: the minisign public keys whose signatures `driver add` accepts, separated by commas.
    pub trusted_keys: String,
    /// `image_cache_require_signature`: whether `driver add` refuses a component without a signature by a trusted key.
    pub require_signature: bool,
    /// `image_cache_compiled_drivers`: where compiled drivers are kept for the next start.
    pub compiled_drivers: CompiledDrivers,
    /// `image_cache_signal_handlers`: whether the process may have signal handlers, by which drivers run faster.
    pub signal_handlers: bool,
    /// `[drivers.NAME]`: the drivers that are not built in, and the options of those that are.
    pub drivers: BTreeMap<String, DriverConfig>,
}
