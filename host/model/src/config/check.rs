//! What each option accepts: the ranges, in words and in code.

use super::fault::{Rejected, quoted};
use super::{BUILT_IN_DRIVERS, DriverConfig};
use crate::image_id::belongs_to_database;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// A thousand years; above it, times before the epoch would have to be reckoned with.
pub(super) const MAX_STALL_TIME: Duration = Duration::from_secs(1_000 * 365 * 86_400);
/// Hits that are gathered for longer are as good as lost.
pub(super) const MAX_HIT_DELAY: Duration = Duration::from_secs(3_600);
/// A policy that may touch nothing for longer is none.
pub(super) const MAX_MIN_AGE: Duration = Duration::from_secs(86_400);
/// Below, a writer that only waits for its turn on the processor would be given up; above, nobody waits.
const PATIENCES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3_600);
const INSTANCES: std::ops::RangeInclusive<u64> = 1..=10_000;
const MEMORY: std::ops::RangeInclusive<u64> = (1 << 20)..=(4 << 30);
const COMPONENT: std::ops::RangeInclusive<u64> = (1 << 10)..=(1 << 30);
const DATABASE: std::ops::RangeInclusive<u64> = (8 << 20)..=(1 << 40);
const CALL_TIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(600);

pub(super) const DIR: &str = "the path of a directory";
pub(super) const DRIVER: &str =
    "a built-in name (sqlite, xattr), a name from [drivers.NAME], or the path of a component";
pub(super) const BYTES: &str =
    "0 to 9223372036854775807 bytes, a whole number or with a unit (\"10 GiB\", \"500MB\")";
pub(super) const COUNT: &str = "a whole number, 0 to 9223372036854775807";
pub(super) const STALL_TIME: &str =
    "0 s to 1000 years, whole seconds or with a unit (86400, \"24h\")";
pub(super) const HIT_DELAY: &str = "0 s to 1 h, whole seconds or with a unit (1, \"500ms\")";
pub(super) const MIN_AGE: &str = "0 s to 24 h, whole seconds or with a unit (60, \"500ms\")";
pub(super) const SWITCH: &str = "true or false";
pub(super) const DURABILITY: &str = "full or rename-only";
pub(super) const OTHER_WRITER: &str = "follow or pass-through";
pub(super) const PATIENCE: &str = "10 ms to 1 h, whole seconds or with a unit (30, \"500ms\")";
pub(super) const SQLITE_DB: &str = "a path inside the cache directory, relative to it, without \"..\", under no name that the cache keeps for itself (\"cache.db\")";
pub(super) const DRIVER_NAME: &str = "1 to 64 letters, digits, '-', '_' and '.', a letter or digit first, and not the name of a built-in driver (sqlite, xattr)";
pub(super) const LIMIT_MEMORY: &str =
    "1 MiB to 4 GiB, a whole number of bytes or with a unit (\"64 MiB\")";
pub(super) const LIMIT_COMPONENT: &str =
    "1 KiB to 1 GiB, a whole number of bytes or with a unit (\"32 MiB\")";
pub(super) const LIMIT_DATABASE: &str =
    "8 MiB to 1 TiB, a whole number of bytes or with a unit (\"1 GiB\")";
pub(super) const LIMIT_INSTANCES: &str = "1 to 10000, a whole number";
pub(super) const LIMIT_TIME: &str = "10 ms to 10 min, whole seconds or with a unit (1, \"500ms\")";

pub(super) fn dir(dir: &Path) -> Result<(), Rejected> {
    let name = dir.as_os_str();
    if name.is_empty() || name.as_encoded_bytes().contains(&0) {
        return Err(Rejected::new(quoted(&name.to_string_lossy()), DIR));
    }
    Ok(())
}

pub(super) fn driver(driver: &str) -> Result<(), Rejected> {
    if driver.is_empty() || driver.chars().any(char::is_control) {
        return Err(Rejected::new(quoted(driver), DRIVER));
    }
    Ok(())
}

/// What no file and no file system can have is nobody's intention.
pub(super) fn bytes(bytes: u64) -> Result<(), Rejected> {
    let fits = i64::try_from(bytes).map(drop);
    fits.map_err(|_| Rejected::new(format!("{bytes} bytes"), BYTES))
}

/// As many images or inodes as any file system can have.
pub(super) fn count(count: u64) -> Result<(), Rejected> {
    let fits = i64::try_from(count).map(drop);
    fits.map_err(|_| Rejected::new(count.to_string(), COUNT))
}

pub(super) fn at_most(time: Duration, most: Duration, accepted: &str) -> Result<(), Rejected> {
    if time > most {
        return Err(Rejected::new(humantime::format_duration(time).to_string(), accepted));
    }
    Ok(())
}

pub(super) fn patience(time: Duration) -> Result<(), Rejected> {
    if !PATIENCES.contains(&time) {
        return Err(Rejected::new(humantime::format_duration(time).to_string(), PATIENCE));
    }
    Ok(())
}

/// The database's path in its plain form, without `.` components.
pub(super) fn sqlite_db(database: &str) -> Result<PathBuf, Rejected> {
    let rejected = |why: &str| Rejected::new(format!("{}, {why}", quoted(database)), SQLITE_DB);
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
    // SQLite appends up to eight bytes to the name, for its journal.
    if plain.iter().any(|name| name.len() > 255 - "-journal".len()) {
        return Err(rejected("which is too long"));
    }
    match plain.iter().next().and_then(|first| first.to_str()) {
        None => Err(rejected("which is the directory itself")),
        Some(first) if is_ours(first) => Err(rejected("which is kept for the cache's own use")),
        Some(_) => Ok(plain),
    }
}

/// Names in the base directory that no database may have; `cache.db` itself is meant for one.
fn is_ours(name: &str) -> bool {
    ["incomplete", "invalid", "queue", ".image-cache", "image_cache_db_init", "checkme"]
        .contains(&name)
        || (name != "cache.db" && belongs_to_database(name, "cache.db"))
}

/// Every fault of a driver's definition; the key is relative to the driver's table.
pub(super) fn driver_config(name: &str, config: &DriverConfig) -> Vec<(&'static str, Rejected)> {
    let mut faults = Vec::new();
    if BUILT_IN_DRIVERS.iter().any(|built_in| built_in.eq_ignore_ascii_case(name)) {
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
        faults.push(("component", Rejected::new("no path", "the path of a WebAssembly component")));
    }
    let limits = &config.limits;
    for (key, bytes, range, accepted) in [
        ("limits.memory", limits.memory, MEMORY, LIMIT_MEMORY),
        ("limits.component", limits.component, COMPONENT, LIMIT_COMPONENT),
        ("limits.database", limits.database, DATABASE, LIMIT_DATABASE),
    ] {
        if !range.contains(&bytes) {
            faults.push((key, Rejected::new(format!("{bytes} bytes"), accepted)));
        }
    }
    if !INSTANCES.contains(&limits.instances) {
        let found = format!("{} instances", limits.instances);
        faults.push(("limits.instances", Rejected::new(found, LIMIT_INSTANCES)));
    }
    for (key, time) in
        [("limits.guest_time", limits.guest_time), ("limits.call_time", limits.call_time)]
    {
        if !CALL_TIMES.contains(&time) {
            faults.push((
                key,
                Rejected::new(humantime::format_duration(time).to_string(), LIMIT_TIME),
            ));
        }
    }
    if limits.guest_time > limits.call_time {
        let [guest, call] = [limits.guest_time, limits.call_time].map(humantime::format_duration);
        let found =
            format!("{guest}, which is more than the whole call may take (call_time, {call})");
        faults
            .push(("limits.guest_time", Rejected::new(found, "a guest_time of at most call_time")));
    }
    faults
}

/// The name becomes part of file and attribute names.
fn is_driver_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
