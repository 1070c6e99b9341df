//! The policies, built in or as examples in other languages: the whole conformance suite, then the policy of each driver, then
//! normal use through the real binary.
//!
//! `cargo xtask` builds the examples if their toolchains are available; if a component does not exist, its tests are skipped with a
//! message.

mod cost;
mod everyday;
mod gdsf;
mod lrfu;
mod lru2;
mod quota;
mod s3_fifo;
mod ttl;
mod two_hit;

use image_cache::conformance::{self, CASES, Case, LRU_CASES};
use image_cache::{
    AdmissionRequest, CachedImage, Config, Decision, Driver, DriverConfig, Eviction, Grant, Hit,
    ImageId, Requester,
};
use image_cache_tests::{Tested, skip};
use rusqlite::Connection;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A driver of a policy.
struct Example {
    /// Its name in the configuration.
    name: &'static str,
    /// Its directory in `drivers/examples/`, or the path of its component; none if it is built in.
    directory: Option<&'static str>,
    /// What the configuration grants it.
    grants: &'static [Grant],
}

const fn built_in(name: &'static str) -> Example {
    Example { name, directory: None, grants: &[] }
}

/// An example in Rust, which the tests build themselves.
const fn in_rust(name: &'static str, component: &'static str) -> Example {
    Example { name, directory: Some(component), grants: &[Grant::Sql] }
}

const GDSF: Example = built_in("gdsf");
const S3_FIFO: Example = built_in("s3-fifo");
const SIEVE: Example = built_in("sieve");
const TWO_HIT: Example = built_in("two-hit");
const LRFU: Example = Example { name: "lrfu", directory: Some("lrfu-js"), grants: &[Grant::Sql] };
const COST: Example = in_rust("cost", env!("GUEST_COST"));
const QUOTA: Example = in_rust("quota", env!("GUEST_QUOTA"));
const EXPIRY: Example = in_rust("expiry", env!("GUEST_EXPIRY"));
/// Only a full run builds it.
const LRU2: Example = Example { name: "lru2", directory: Some("lru2-py"), grants: &[Grant::Sql] };
const TTL: Example =
    Example { name: "ttl", directory: Some("ttl-c"), grants: &[Grant::Attributes, Grant::Files] };

impl Example {
    /// The path of the component, empty if it is built in; none, with a message, if it could not be built. If it is older than its
    /// sources, the test fails.
    fn component(&self) -> Option<PathBuf> {
        let Some(directory) = self.directory else { return Some(PathBuf::new()) };
        if directory.ends_with(".wasm") {
            return Some(PathBuf::from(directory));
        }
        let path = Path::new(env!("EXAMPLES")).join(format!("{directory}.wasm"));
        let Ok(built) = path.metadata().and_then(|metadata| metadata.modified()) else {
            skip(&format!(
                "the example driver {directory} is not built; `cargo xtask drivers` builds it, or says why not"
            ));
            return None;
        };
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../drivers/examples");
        for entry in fs::read_dir(sources.join(directory)).expect("its sources are there") {
            let entry = entry.expect("its sources can be listed");
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let readme = entry.file_name() == "README.md";
            assert!(
                readme || changed.is_ok_and(|changed| changed <= built),
                "{} is older than {}: run `cargo xtask drivers`",
                path.display(),
                entry.path().display()
            );
        }
        Some(path)
    }

    /// Its configuration. The time limits are long, so that a busy machine causes no failure.
    fn config(&self, options: &[(&str, &str)]) -> Option<DriverConfig> {
        let mut driver = DriverConfig::new(self.component()?);
        driver.grants = self.grants.iter().copied().collect();
        driver.options =
            options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        driver.limits.guest_time = Duration::from_secs(20);
        driver.limits.call_time = Duration::from_secs(40);
        // Python's component is composed of many modules.
        driver.limits.instances = 100;
        Some(driver)
    }
}

/// A new directory, in memory if that supports attributes: the tests create thousands of small files.
fn scratch() -> std::io::Result<TempDir> {
    match TempDir::new_in("/dev/shm") {
        Ok(scratch) if xattr::set(scratch.path(), "user.test", b"1").is_ok() => Ok(scratch),
        _ => TempDir::new(),
    }
}

/// Runs cases, and prints every failure in full.
fn passes(example: &Example, cases: &[Case], options: &[(&str, &str)]) -> Tested {
    let Some(driver) = example.config(options) else { return Ok(()) };
    let scratch = scratch()?;
    let config = Config::builder(scratch.path())
        .define_driver(example.name, driver)
        .driver(example.name)
        .build()?;
    let mut failures = String::new();
    for case in cases {
        if let Err(failure) = case.run(&config, scratch.path()).outcome {
            failures.push_str(&format!("\n- {}: {failure}", case.sentence()));
        }
    }
    assert!(failures.is_empty(), "{} with {options:?}:{failures}", example.name);
    Ok(())
}

#[test]
fn sieve_passes_the_conformance_suite() -> Tested {
    passes(&SIEVE, CASES, &[])
}

#[test]
fn gdsf_passes_the_conformance_suite() -> Tested {
    passes(&GDSF, CASES, &[])?;
    passes(&GDSF, CASES, &[("goal", "bytes"), ("admission", "two-hit")])
}

#[test]
fn s3_fifo_passes_the_conformance_suite() -> Tested {
    passes(&S3_FIFO, CASES, &[])?;
    passes(&S3_FIFO, CASES, &[("large", "refuse"), ("admission", "two-hit")])
}

#[test]
fn two_hit_passes_the_conformance_suite_and_is_an_lru() -> Tested {
    passes(&TWO_HIT, CASES, &[("within", "60")])?;
    passes(&TWO_HIT, LRU_CASES, &[])
}

#[test]
fn lrfu_passes_the_conformance_suite() -> Tested {
    passes(&LRFU, CASES, &[])
}

#[test]
fn ttl_passes_the_conformance_suite() -> Tested {
    passes(&TTL, CASES, &[])?;
    passes(
        &TTL,
        CASES,
        &[("max-age", "30d"), ("max-image-size", "1 TiB"), ("unknown-size", "refuse")],
    )
}

#[test]
fn ttl_without_limits_is_an_lru() -> Tested {
    passes(&TTL, LRU_CASES, &[])
}

/// A driver with its own cache directory, which the test calls at chosen times.
struct Trial {
    driver: Driver,
    config: Config,
    _scratch: TempDir,
}

/// The start time of the tests.
const START: Duration = Duration::from_secs(1_700_000_000);

/// This number of seconds after the start.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + START + Duration::from_secs(seconds)
}

fn id(name: &str) -> ImageId {
    name.parse().expect("the tests name their images validly")
}

/// The largest request: evict everything.
const ALL: u64 = u64::MAX;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Trial {
    /// None if the example is not built.
    fn new(example: &Example, options: &[(&str, &str)]) -> Tested<Option<Trial>> {
        let Some(driver) = example.config(options) else { return Ok(None) };
        let scratch = scratch()?;
        let config = Config::builder(scratch.path().join("cache"))
            .define_driver(example.name, driver)
            .driver(example.name)
            .build()?;
        let driver = conformance::load(&config)?;
        Ok(Some(Trial { driver, config, _scratch: scratch }))
    }

    /// Stops the driver and starts it again with its records and with other options.
    fn reconfigure(&mut self, options: &[(&str, &str)]) -> Tested {
        let name = self.config.driver.clone();
        let driver = self.config.drivers.get_mut(&name).ok_or("the driver is configured")?;
        driver.options =
            options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.driver = conformance::load(&self.config)?;
        Ok(())
    }

    /// The driver's database, as another program opens it.
    fn database(&self) -> Tested<Connection> {
        let drivers = self.config.dir.join(".image-cache/drivers");
        let is_database = |name: &str| !name.ends_with("-wal") && !name.ends_with("-shm");
        let mut names = fs::read_dir(&drivers)?.flatten().map(|entry| entry.file_name());
        let name = names.find(|name| name.to_str().is_some_and(is_database)).ok_or("a database")?;
        Ok(Connection::open(drivers.join(name))?)
    }

    /// Caches a sparse image at this second.
    fn add(&self, name: &str, size: u64, seconds: u64) -> Tested {
        let file = File::create(self.config.dir.join(name))?;
        file.set_len(size)?;
        file.set_modified(at(seconds))?;
        self.driver.record_cached(&CachedImage::new(id(name), size, at(seconds)), None)?;
        Ok(())
    }

    /// Counts a hit at each of these seconds, each in its own call.
    fn hit(&self, name: &str, seconds: impl IntoIterator<Item = u64>) -> Tested {
        for second in seconds {
            self.driver.record_hits(&[Hit::new(id(name), at(second))])?;
        }
        Ok(())
    }

    /// Removes an image, like an eviction or an operator.
    fn remove(&self, name: &str) -> Tested {
        fs::remove_file(self.config.dir.join(name))?;
        self.driver.forget(&[id(name)])?;
        Ok(())
    }

    /// Whether a client's fetch of the image may fill the cache.
    fn admits(&self, name: &str, size: Option<u64>, seconds: u64) -> Tested<bool> {
        Ok(self.decides(name, size, seconds, &Requester::default())? == Decision::Admit)
    }

    /// The answer for a requester.
    fn decides(
        &self,
        name: &str,
        size: Option<u64>,
        seconds: u64,
        requester: &Requester,
    ) -> Tested<Decision> {
        let (image_id, now) = (&id(name), at(seconds));
        Ok(self.driver.admit(&AdmissionRequest::new(image_id, size, now, requester))?)
    }

    /// The victims for this number of bytes at this second, in order.
    fn victims(&self, bytes_needed: u64, seconds: u64) -> Tested<Vec<String>> {
        let (now, limit, cached) = (at(seconds), 1000, None);
        let eviction = Eviction { now, bytes_needed, exclude: &[], limit, cached };
        let victims = self.driver.select_victims(&eviction)?;
        Ok(victims.into_iter().map(|victim| victim.image_id.to_string()).collect())
    }
}

/// The message for the operator if an option is wrong.
fn refusal(example: &Example, options: &[(&str, &str)]) -> Tested<Option<String>> {
    match Trial::new(example, options) {
        Ok(None) => Ok(None),
        Ok(Some(_)) => Err(format!("{options:?} were accepted").into()),
        Err(error) => Ok(Some(error.to_string())),
    }
}
