//! Which driver is meant: a configured name with its component, grants, options and limits.

use super::built_in::BuiltIn;
use super::context::DriverContext;
use image_cache_model::{Config, DriverConfig, Grant, Limits};
use image_cache_store::Directory;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A driver that was found, and what the configuration says of it.
#[derive(Debug, Clone)]
pub(super) struct DriverSpec {
    pub name: String,
    pub source: ComponentSource,
    pub pin: Option<[u8; 32]>,
    pub grants: BTreeSet<Grant>,
    pub options: Vec<(String, String)>,
    pub limits: Limits,
}

/// Where a component comes from.
#[derive(Debug, Clone)]
pub(super) enum ComponentSource {
    BuiltIn(BuiltIn),
    File(PathBuf),
}

/// The built-in drivers are trusted to come to an end: what takes long is a slow disk or a busy machine, on which giving
/// up would cost the records.
const BUILT_IN_TIME: Duration = Duration::from_secs(30);

impl DriverSpec {
    pub fn built_in(built_in: BuiltIn) -> Self {
        DriverSpec {
            name: built_in.name().into(),
            source: ComponentSource::BuiltIn(built_in),
            pin: None,
            grants: built_in.grants(),
            options: Vec::new(),
            limits: Limits {
                guest_time: BUILT_IN_TIME,
                call_time: BUILT_IN_TIME,
                ..Limits::default()
            },
        }
    }

    fn configured(name: &str, driver: &DriverConfig) -> Self {
        DriverSpec {
            name: name.into(),
            source: ComponentSource::File(driver.component.clone()),
            pin: driver.sha256,
            grants: driver.grants.clone(),
            options: driver.options.clone().into_iter().collect(),
            limits: driver.limits,
        }
    }

    pub fn context(&self, config: &Config, cache: Option<Arc<Directory>>) -> DriverContext {
        let built_in = match self.source {
            ComponentSource::BuiltIn(built_in) => Some(built_in),
            ComponentSource::File(_) => None,
        };
        let sqlite_db = config.sqlite_db.clone();
        DriverContext { name: self.name.clone(), built_in, limits: self.limits, cache, sqlite_db }
    }
}

/// The driver of this name: a built-in one (letter case ignored), one of `[drivers.NAME]`, or a file.
pub(super) fn find(name: &str, config: &Config) -> Result<DriverSpec, String> {
    if let Some(built_in) = BuiltIn::ALL.into_iter().find(|b| b.name().eq_ignore_ascii_case(name)) {
        return Ok(DriverSpec::built_in(built_in));
    }
    if let Some(driver) = config.drivers.get(name) {
        return Ok(DriverSpec::configured(name, driver));
    }
    if name.contains('/') || name.ends_with(".wasm") {
        return Ok(DriverSpec::configured(
            name,
            &DriverConfig { component: name.into(), ..ungranted() },
        ));
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

/// A file that is named as a driver gets nothing: grants are given in `[drivers.NAME]`.
fn ungranted() -> DriverConfig {
    DriverConfig {
        component: PathBuf::new(),
        sha256: None,
        grants: BTreeSet::new(),
        options: std::collections::BTreeMap::new(),
        limits: Limits::default(),
    }
}
