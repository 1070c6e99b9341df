//! Specifies a driver: its configured name, component, grants, options and limits, and the cache on which it works.

use super::built_in::BuiltIn;
use super::load_error::LoadFault;
use crate::capability::capacity::CacheLimits;
use crate::capability::simulated_images::SimulatedImages;
use crate::engine::Traps;
use image_cache_model::{
    CompiledDrivers, Config, DriverConfig, DriverManifest, Limits, POLICY_DRIVERS,
};
use image_cache_store::Directory;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A driver that was found, its configuration, and its cache.
#[derive(Debug, Clone)]
pub struct DriverSpec {
    /// The driver's name in the configuration.
    pub name: String,
    pub built_in: Option<BuiltIn>,
    /// What it may import and use. The component is empty if the driver is built in.
    pub config: DriverConfig,
    pub storage: Storage,
    /// What the component says about itself, if it was examined and says so.
    pub manifest: Option<DriverManifest>,
    /// The SHA-256 of the component, if it was read.
    pub digest: Option<[u8; 32]>,
    /// The maximum size of the cache.
    pub cache_limits: CacheLimits,
    /// The built-in sqlite driver's database, below the base directory.
    pub sqlite_db: PathBuf,
    /// Where its compiled code is kept.
    pub compiled: CompiledDrivers,
    pub traps: Traps,
}

/// Where a driver works.
#[derive(Debug, Clone)]
pub enum Storage {
    /// Nowhere: its component is only inspected.
    None,
    /// On this cache.
    Directory(Arc<Directory>),
    /// On images without bytes, and on a database in memory.
    Simulated(SimulatedImages),
}

/// The built-in drivers are trusted to terminate: if a call takes long, the disk is slow or the machine busy, and
/// giving up would lose the records.
const BUILT_IN_TIME: Duration = Duration::from_secs(30);

impl DriverSpec {
    /// Checks that the driver reports the name that its manifest, if it has one, names.
    pub fn check_name(&self, own: &str) -> Result<(), LoadFault> {
        match &self.manifest {
            Some(DriverManifest { name, .. }) if name != own => {
                Err(LoadFault::OtherName { manifest: name.clone(), reported: own.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// A built-in driver, with the options and limits of its table if there is one.
    pub fn built_in(built_in: BuiltIn, config: &Config, storage: Storage) -> Self {
        let mut driver = config.drivers.get(built_in.name()).cloned().unwrap_or_default();
        let limits = &mut driver.limits;
        let default = Limits::default();
        if limits.call_time == default.call_time {
            limits.call_time = BUILT_IN_TIME;
        }
        if limits.guest_time == default.guest_time {
            limits.guest_time = limits.call_time;
        }
        driver.grants = built_in.grants();
        DriverSpec {
            name: built_in.name().into(),
            built_in: Some(built_in),
            config: driver,
            storage,
            manifest: None,
            digest: None,
            cache_limits: CacheLimits::of(config),
            sqlite_db: config.sqlite_db.clone(),
            compiled: config.compiled_drivers.clone(),
            traps: Traps::with_signal_handlers(config.signal_handlers),
        }
    }
}

/// The driver of this name: one of `[drivers.NAME]`, a built-in one, or a file.
pub fn find(name: &str, config: &Config, storage: Storage) -> Result<DriverSpec, LoadFault> {
    let has_component =
        config.drivers.get(name).is_some_and(|driver| !driver.component.as_os_str().is_empty());
    if !has_component && let Some(built_in) = BuiltIn::named(name) {
        return Ok(DriverSpec::built_in(built_in, config, storage));
    }
    if !has_component && POLICY_DRIVERS.contains(&name) {
        return Err(LoadFault::PolicyNotBuiltIn { driver: name.into() });
    }
    let is_path = name.contains('/') || name.ends_with(".wasm");
    // A file that is named as a driver gets no grants: they are set in `[drivers.NAME]`.
    let file = || is_path.then(|| DriverConfig::new(name));
    if let Some(driver) = config.drivers.get(name).cloned().or_else(file) {
        let sqlite_db = config.sqlite_db.clone();
        return Ok(DriverSpec {
            name: name.into(),
            built_in: None,
            config: driver,
            storage,
            manifest: None,
            digest: None,
            cache_limits: CacheLimits::of(config),
            sqlite_db,
            compiled: config.compiled_drivers.clone(),
            traps: Traps::with_signal_handlers(config.signal_handlers),
        });
    }
    if name.eq_ignore_ascii_case("centralized_db") {
        return Err(LoadFault::CentralizedDb);
    }
    let configured = config.drivers.keys().map(String::as_str);
    let mut known: Vec<&str> = BuiltIn::ALL.iter().map(|built_in| built_in.name()).collect();
    known.extend(configured.filter(|name| BuiltIn::named(name).is_none()));
    Err(LoadFault::UnknownDriver { known: known.into_iter().map(str::to_owned).collect() })
}
