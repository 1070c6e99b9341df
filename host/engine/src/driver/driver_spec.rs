//! Specifies a driver: its configured name, component, grants, options and limits, and the cache on which it works.

use super::built_in::BuiltIn;
use crate::capability::simulated_images::SimulatedImages;
use image_cache_model::{Config, DriverConfig, Limits};
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
    /// The built-in sqlite driver's database, below the base directory.
    pub sqlite_db: PathBuf,
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
    pub fn built_in(built_in: BuiltIn, config: &Config, storage: Storage) -> Self {
        let limits =
            Limits { guest_time: BUILT_IN_TIME, call_time: BUILT_IN_TIME, ..Limits::default() };
        DriverSpec {
            name: built_in.name().into(),
            built_in: Some(built_in),
            config: DriverConfig { grants: built_in.grants(), limits, ..DriverConfig::default() },
            storage,
            sqlite_db: config.sqlite_db.clone(),
        }
    }
}

/// The driver of this name: a built-in one (letter case ignored), one of `[drivers.NAME]`, or a file.
pub fn find(name: &str, config: &Config, storage: Storage) -> Result<DriverSpec, String> {
    if let Some(built_in) = BuiltIn::ALL.into_iter().find(|b| b.name().eq_ignore_ascii_case(name)) {
        return Ok(DriverSpec::built_in(built_in, config, storage));
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
            sqlite_db,
        });
    }
    if name.eq_ignore_ascii_case("centralized_db") {
        return Err("Glance's centralized_db keeps its records in Glance's own database server, which only Glance can use; \
                    set image_cache_driver to sqlite or xattr"
            .into());
    }
    let configured = config.drivers.keys().map(|name| format!("{name:?}"));
    let known: Vec<String> =
        BuiltIn::ALL.iter().map(|b| format!("{:?}", b.name())).chain(configured).collect();
    Err(format!(
        "no driver has this name; known are {}, and a path to a component (with a '/' in it, or ending in .wasm)",
        known.join(", ")
    ))
}
