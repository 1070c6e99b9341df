//! Checks of values and of driver definitions.

use super::compiled_drivers::CompiledDrivers;
use super::driver_config::{DriverConfig, Limits, POLICY_DRIVERS, RESERVED_DRIVERS};
use super::driver_keys;
use super::fault::{Rejected, quoted};
use crate::image_id::is_reserved;
use crate::names;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// A thousand years.
pub(super) const MAX_STALL_TIME: Duration = Duration::from_secs(1_000 * 365 * 86_400);
/// With a longer time, a crash loses too many hits.
pub(super) const MAX_HIT_DELAY: Duration = Duration::from_secs(3_600);
/// With a longer time, a policy could hardly evict an image that is in use.
pub(super) const MAX_MIN_AGE: Duration = Duration::from_secs(86_400);
/// With a shorter time, readers would abandon a writer that only waits for the processor. A longer time has no use.
const PATIENCES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3_600);
const INSTANCES: RangeInclusive<u64> = 1..=10_000;
const MEMORY: RangeInclusive<u64> = (1 << 20)..=(4 << 30);
const COMPONENT: RangeInclusive<u64> = (1 << 10)..=(1 << 30);
const DATABASE: RangeInclusive<u64> = (8 << 20)..=(1 << 40);
const CALL_TIMES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(600);

pub(super) const DRIVER_NAME: &str = "1 to 64 letters, digits, '-', '_' and '.', a letter or digit first, and neither sqlite nor xattr";

pub(super) fn dir(dir: PathBuf, accepted: &str) -> Result<PathBuf, Rejected> {
    let name = dir.as_os_str();
    if name.is_empty() || name.as_encoded_bytes().contains(&0) {
        return Err(Rejected::new(quoted(&name.to_string_lossy()), accepted));
    }
    Ok(dir)
}

/// Where compiled drivers are kept. A relative path would depend on the current directory, and could be a misspelt choice.
pub(super) fn compiled_drivers(
    place: CompiledDrivers,
    accepted: &str,
) -> Result<CompiledDrivers, Rejected> {
    match &place {
        CompiledDrivers::Directory(path)
            if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) =>
        {
            Err(Rejected::new(quoted(&path.to_string_lossy()), accepted))
        }
        _ => Ok(place),
    }
}

/// The driver; returns a reserved name in lower case.
pub(super) fn driver(driver: String, accepted: &str) -> Result<String, Rejected> {
    if driver.is_empty() || driver.chars().any(char::is_control) {
        return Err(Rejected::new(quoted(&driver), accepted));
    }
    let reserved = RESERVED_DRIVERS.iter().find(|reserved| reserved.eq_ignore_ascii_case(&driver));
    Ok(reserved.map_or(driver, |reserved| (*reserved).to_owned()))
}

/// A number of bytes. No file system has more than `i64::MAX`.
pub(super) fn bytes(bytes: u64, accepted: &str) -> Result<u64, Rejected> {
    let fits = i64::try_from(bytes).is_ok();
    if fits { Ok(bytes) } else { Err(Rejected::new(format!("{bytes} bytes"), accepted)) }
}

/// A number of images or inodes. No file system has more than `i64::MAX`.
pub(super) fn count(count: u64, accepted: &str) -> Result<u64, Rejected> {
    let fits = i64::try_from(count).is_ok();
    if fits { Ok(count) } else { Err(Rejected::new(count.to_string(), accepted)) }
}

/// A number of images; 0 means no limit.
pub(super) fn image_limit(images: Option<u64>, accepted: &str) -> Result<Option<u64>, Rejected> {
    let images = images.map(|images| count(images, accepted)).transpose()?;
    Ok(images.filter(|images| *images > 0))
}

pub(super) fn at_most(
    time: Duration,
    most: Duration,
    accepted: &str,
) -> Result<Duration, Rejected> {
    within(time, Duration::ZERO..=most, accepted)
}

pub(super) fn patience(time: Duration, accepted: &str) -> Result<Duration, Rejected> {
    within(time, PATIENCES, accepted)
}

fn within(
    time: Duration,
    accepted_times: RangeInclusive<Duration>,
    accepted: &str,
) -> Result<Duration, Rejected> {
    let found = || humantime::format_duration(time).to_string();
    if accepted_times.contains(&time) { Ok(time) } else { Err(Rejected::new(found(), accepted)) }
}

/// The database's path, without `.` components.
pub(super) fn sqlite_db(path: PathBuf, accepted: &str) -> Result<PathBuf, Rejected> {
    let Some(database) = path.to_str() else {
        return Err(Rejected::new(quoted(&path.to_string_lossy()), accepted));
    };
    let rejected = |why: &str| Rejected::new(format!("{}, {why}", quoted(database)), accepted);
    if database.is_empty() || database.ends_with('/') || database.chars().any(char::is_control) {
        return Err(rejected("which is no file's name"));
    }
    let mut plain = PathBuf::new();
    for component in Path::new(database).components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(rejected("which leaves the directory")),
            Component::RootDir | Component::Prefix(_) => return Err(rejected("which is absolute")),
        }
    }
    // SQLite appends up to eight bytes to the name of its journal.
    if plain.iter().any(|name| name.len() > 255 - "-journal".len()) {
        return Err(rejected("which is too long"));
    }
    match plain.iter().next().and_then(|first| first.to_str()) {
        None => Err(rejected("which is the directory itself")),
        Some(first) if is_ours(first) => Err(rejected("which is kept for the cache's own use")),
        Some(_) => Ok(plain),
    }
}

/// Names in the base directory that a database must not have; `cache.db` itself is allowed.
fn is_ours(name: &str) -> bool {
    name == names::OWN || (name != names::DATABASE && is_reserved(name))
}

/// The key of a fault in a driver's table; `within` is empty for the whole table.
pub(super) fn driver_key(name: &str, within: &str) -> String {
    match within {
        "" => format!("drivers.{name}"),
        _ => format!("drivers.{name}.{within}"),
    }
}

/// All faults of a driver's definition; each key is relative to the driver's table.
pub(super) fn driver_config(name: &str, config: &DriverConfig) -> Vec<(&'static str, Rejected)> {
    let mut faults = Vec::new();
    if RESERVED_DRIVERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        faults.push((
            "",
            Rejected::new(
                format!("{}, which would hide a built-in driver", quoted(name)),
                DRIVER_NAME,
            ),
        ));
    } else if !is_driver_name(name) {
        faults.push(("", Rejected::new(quoted(name), DRIVER_NAME)));
    }
    if config.component.as_os_str().is_empty() {
        faults.extend(without_component(name, config));
    }
    faults.extend(limits(&config.limits));
    faults
}

/// The faults of a table without a component: only a built-in driver may lack it, and that has its own grants.
fn without_component(name: &str, config: &DriverConfig) -> Option<(&'static str, Rejected)> {
    if !POLICY_DRIVERS.contains(&name) {
        let accepted = "the path of a WebAssembly component";
        return Some(("component", Rejected::new("no path", accepted)));
    }
    let accepted = "only options and limits, for the built-in driver of this name";
    if !config.grants.is_empty() {
        return Some(("grants", Rejected::new("grants without a component", accepted)));
    }
    config.sha256.map(|_| ("sha256", Rejected::new("a digest without a component", accepted)))
}

/// All faults of a driver's limits.
fn limits(limits: &Limits) -> Vec<(&'static str, Rejected)> {
    let mut faults = Vec::new();
    for (key, number, range, unit) in [
        (driver_keys::MEMORY, limits.memory, MEMORY, "bytes"),
        (driver_keys::COMPONENT_SIZE, limits.component, COMPONENT, "bytes"),
        (driver_keys::DATABASE, limits.database, DATABASE, "bytes"),
        (driver_keys::INSTANCES, limits.instances, INSTANCES, "instances"),
    ] {
        if !range.contains(&number) {
            faults.push((key.name, Rejected::new(format!("{number} {unit}"), key.accepted)));
        }
    }
    for (key, time) in
        [(driver_keys::GUEST_TIME, limits.guest_time), (driver_keys::CALL_TIME, limits.call_time)]
    {
        let checked = within(time, CALL_TIMES, key.accepted);
        faults.extend(checked.err().map(|rejected| (key.name, rejected)));
    }
    if limits.guest_time > limits.call_time {
        let [guest, call] = [limits.guest_time, limits.call_time].map(humantime::format_duration);
        let found =
            format!("{guest}, which is more than the whole call may take (call_time, {call})");
        let rejected = Rejected::new(found, "a guest_time of at most call_time");
        faults.push((driver_keys::GUEST_TIME.name, rejected));
    }
    faults
}

/// Whether a driver can have this name in a configuration: the name becomes part of file names and attribute names.
///
/// ```
/// use image_cache_model::is_driver_name;
/// assert!(is_driver_name("lfu-2") && !is_driver_name("../lfu") && !is_driver_name(""));
/// ```
pub fn is_driver_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
