//! Building a configuration in code; also the common ground of the layers.

use super::fault::{Rejected, quoted};
use super::layers::plain_driver;
use super::{
    Config, ConfigError, ConfigFault, ConfigOption, DEFAULT_MAX_SIZE, DEFAULT_MIN_AGE,
    DEFAULT_PATIENCE, DEFAULT_STALL_TIME, DriverConfig, Durability, OtherWriter, check,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Options on their way to a [`Config`]; see [`Config::builder`].
#[derive(Debug, Clone, Default)]
pub struct ConfigBuilder {
    pub(super) dir: Option<PathBuf>,
    pub(super) driver: Option<String>,
    pub(super) max_size: Option<u64>,
    pub(super) stall_time: Option<Duration>,
    pub(super) sqlite_db: Option<PathBuf>,
    pub(super) hit_delay: Option<Duration>,
    pub(super) min_free: Option<u64>,
    pub(super) max_images: Option<u64>,
    pub(super) min_free_inodes: Option<u64>,
    pub(super) hard_limit: Option<bool>,
    pub(super) verify_reads: Option<bool>,
    pub(super) durability: Option<Durability>,
    pub(super) other_writer: Option<OtherWriter>,
    pub(super) other_writer_patience: Option<Duration>,
    pub(super) fetch_to_end: Option<bool>,
    pub(super) policy_min_age: Option<Duration>,
    pub(super) policy_may_empty: Option<bool>,
    pub(super) drivers: BTreeMap<String, DriverConfig>,
}

impl ConfigBuilder {
    pub(super) fn new(dir: PathBuf) -> ConfigBuilder {
        ConfigBuilder { dir: Some(dir), ..ConfigBuilder::default() }
    }

    /// A built-in driver, one that [`define_driver`](Self::define_driver) defines, or the path of
    /// a component. Default: `sqlite`.
    #[must_use]
    pub fn driver(mut self, name: impl Into<String>) -> Self {
        self.driver = Some(name.into());
        self
    }

    /// Bytes above which pruning evicts; 0 empties the cache. Default: 10 GiB.
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// After how long an incomplete file is stalled. Default: a day.
    #[must_use]
    pub fn stall_time(mut self, time: Duration) -> Self {
        self.stall_time = Some(time);
        self
    }

    /// The sqlite driver's database, relative to the base directory. Default: `cache.db`.
    #[must_use]
    pub fn sqlite_db(mut self, path: impl Into<PathBuf>) -> Self {
        self.sqlite_db = Some(path.into());
        self
    }

    /// How long hits may be gathered before they are written. Default: not at all.
    #[must_use]
    pub fn hit_delay(mut self, time: Duration) -> Self {
        self.hit_delay = Some(time);
        self
    }

    /// Bytes of the file system that stay free: an image that would leave less is not cached. Default: 0.
    #[must_use]
    pub fn min_free(mut self, bytes: u64) -> Self {
        self.min_free = Some(bytes);
        self
    }

    /// Images above which pruning evicts, and with a [hard limit](Self::hard_limit) no image is let in; 0: any number. Default: 0.
    #[must_use]
    pub fn max_images(mut self, images: u64) -> Self {
        self.max_images = Some(images);
        self
    }

    /// Inodes of the file system that stay free: an image that would leave fewer is not cached. Default: 0.
    #[must_use]
    pub fn min_free_inodes(mut self, inodes: u64) -> Self {
        self.min_free_inodes = Some(inodes);
        self
    }

    /// Whether room is made before an image is let in, so that [`max_size`](Self::max_size) and
    /// [`max_images`](Self::max_images) are never exceeded; an image for which none can be made is not cached. Default: no.
    #[must_use]
    pub fn hard_limit(mut self, hard: bool) -> Self {
        self.hard_limit = Some(hard);
        self
    }

    /// Whether every read verifies the blocks that it serves before it serves them. Default: it does.
    #[must_use]
    pub fn verify_reads(mut self, on: bool) -> Self {
        self.verify_reads = Some(on);
        self
    }

    /// What is on disk when an image is said to be cached. Default: all of it.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// What a reader does whose image another process is fetching. Default: it follows.
    #[must_use]
    pub fn other_writer(mut self, other_writer: OtherWriter) -> Self {
        self.other_writer = Some(other_writer);
        self
    }

    /// How long a writer may bring nothing before who follows it goes on alone. Default: 30 s.
    #[must_use]
    pub fn other_writer_patience(mut self, time: Duration) -> Self {
        self.other_writer_patience = Some(time);
        self
    }

    /// Whether a fetch that nobody reads any more goes on to its end. Default: no.
    #[must_use]
    pub fn fetch_to_end(mut self, to_end: bool) -> Self {
        self.fetch_to_end = Some(to_end);
        self
    }

    /// What was published or read so lately is not evicted for the driver's own policy, but only where the size demands it.
    /// Default: 60 s.
    #[must_use]
    pub fn policy_min_age(mut self, time: Duration) -> Self {
        self.policy_min_age = Some(time);
        self
    }

    /// Whether one prune may evict more than half of the cache for the driver's own policy. Default: no.
    #[must_use]
    pub fn policy_may_empty(mut self, may_empty: bool) -> Self {
        self.policy_may_empty = Some(may_empty);
        self
    }

    /// Makes a driver known under a name of its own.
    #[must_use]
    pub fn define_driver(mut self, name: impl Into<String>, driver: DriverConfig) -> Self {
        self.drivers.insert(name.into(), driver);
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Every fault, not only the first.
    ///
    /// ```
    /// use std::time::Duration;
    /// let error = image_cache_model::Config::builder("/var/lib/images")
    ///     .sqlite_db("../cache.db")
    ///     .hit_delay(Duration::from_secs(86_400))
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(error.faults.len(), 2);
    /// ```
    pub fn build(self) -> Result<Config, ConfigError> {
        let faults = self.faults();
        if faults.is_empty() { Ok(self.finish()) } else { Err(ConfigError { faults }) }
    }

    fn faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        let mut hold = |key: &str, checked: Result<(), Rejected>| {
            faults.extend(checked.err().map(|rejected| rejected.at("the builder", key)));
        };
        hold(ConfigOption::Dir.name(), check::dir(self.dir.as_deref().unwrap_or("".as_ref())));
        if let Some(driver) = &self.driver {
            hold(ConfigOption::Driver.name(), check::driver(driver));
        }
        if let Some(size) = self.max_size {
            hold(ConfigOption::MaxSize.name(), check::bytes(size));
        }
        if let Some(time) = self.stall_time {
            hold(
                ConfigOption::StallTime.name(),
                check::at_most(time, check::MAX_STALL_TIME, check::STALL_TIME),
            );
        }
        if let Some(path) = &self.sqlite_db {
            hold(ConfigOption::SqliteDb.name(), plain_database(path).map(drop));
        }
        if let Some(time) = self.hit_delay {
            hold(
                ConfigOption::HitDelay.name(),
                check::at_most(time, check::MAX_HIT_DELAY, check::HIT_DELAY),
            );
        }
        if let Some(size) = self.min_free {
            hold(ConfigOption::MinFree.name(), check::bytes(size));
        }
        if let Some(images) = self.max_images {
            hold(ConfigOption::MaxImages.name(), check::count(images));
        }
        if let Some(inodes) = self.min_free_inodes {
            hold(ConfigOption::MinFreeInodes.name(), check::count(inodes));
        }
        if let Some(time) = self.other_writer_patience {
            hold(ConfigOption::OtherWriterPatience.name(), check::patience(time));
        }
        if let Some(time) = self.policy_min_age {
            hold(
                ConfigOption::PolicyMinAge.name(),
                check::at_most(time, check::MAX_MIN_AGE, check::MIN_AGE),
            );
        }
        for (name, driver) in &self.drivers {
            for (key, rejected) in check::driver_config(name, driver) {
                hold(driver_key(name, key).as_str(), Err(rejected));
            }
        }
        faults
    }

    /// Fills in the defaults; everything was checked.
    pub(super) fn finish(self) -> Config {
        let database = self.sqlite_db.and_then(|path| plain_database(&path).ok());
        Config {
            dir: self.dir.unwrap_or_default(),
            driver: self.driver.map_or_else(|| "sqlite".to_owned(), plain_driver),
            max_size: self.max_size.unwrap_or(DEFAULT_MAX_SIZE),
            stall_time: self.stall_time.unwrap_or(DEFAULT_STALL_TIME),
            sqlite_db: database.unwrap_or_else(|| "cache.db".into()),
            hit_delay: self.hit_delay.unwrap_or_default(),
            min_free: self.min_free.unwrap_or_default(),
            max_images: self.max_images.filter(|most| *most > 0),
            min_free_inodes: self.min_free_inodes.unwrap_or_default(),
            hard_limit: self.hard_limit.unwrap_or_default(),
            verify_reads: self.verify_reads.unwrap_or(true),
            durability: self.durability.unwrap_or_default(),
            other_writer: self.other_writer.unwrap_or_default(),
            other_writer_patience: self.other_writer_patience.unwrap_or(DEFAULT_PATIENCE),
            fetch_to_end: self.fetch_to_end.unwrap_or_default(),
            policy_min_age: self.policy_min_age.unwrap_or(DEFAULT_MIN_AGE),
            policy_may_empty: self.policy_may_empty.unwrap_or_default(),
            drivers: self.drivers,
        }
    }
}

fn plain_database(path: &std::path::Path) -> Result<PathBuf, Rejected> {
    match path.to_str() {
        Some(path) => check::sqlite_db(path),
        None => Err(Rejected::new(quoted(&path.to_string_lossy()), check::SQLITE_DB)),
    }
}

/// The key of a fault in a driver's table; `within` is empty where the fault is the table's.
pub(super) fn driver_key(name: &str, within: &str) -> String {
    match within {
        "" => format!("drivers.{name}"),
        _ => format!("drivers.{name}.{within}"),
    }
}
