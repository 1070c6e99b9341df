//! What a driver may do outside its own memory: a file for each interface that it may import, and the state of all interfaces.
//!
//! A new host interface needs an entry in six places, and the compiler or a test names each missing one:
//! `wit/NAME.wit`, `wit/world.wit`, `capability/NAME.rs`, its state in [`CacheAccess`] or in the host's state, its `impl Host`
//! and its arm in [`link`](crate::driver::host_state::imports::link), and its variant of [`Grant`](image_cache_model::Grant),
//! whose name is that of the interface.

pub mod attributes;
pub mod error;
pub mod files;
pub mod images;
pub mod log;
pub mod sql;
pub mod wasi;

use crate::driver::built_in::BuiltIn;
use crate::driver::deadline::Deadline;
use crate::driver::driver_spec::DriverSpec;
use attributes::{Attributes, NameSpace, safe_name};
use image_cache_store::Directory;
use images::Images;
use sql::{Database, DatabasePath};
use std::sync::Arc;

/// The state of all host interfaces that work on a cache, granted or not. An interface that was not granted is
/// not linked, so its state is not used.
///
/// It outlives an instance, so that the database is already open for the next one.
pub struct CacheAccess {
    pub images: Images,
    pub database: Database,
    pub attributes: Attributes,
}

impl CacheAccess {
    pub fn new(spec: &DriverSpec, directory: Arc<Directory>, deadline: &Deadline) -> Self {
        let path = match spec.built_in {
            Some(BuiltIn::Sqlite) => DatabasePath::InBase(spec.sqlite_db.clone()),
            _ => DatabasePath::OfDriver(format!("{}.db", safe_name(&spec.name))),
        };
        let names = match spec.built_in {
            Some(BuiltIn::Xattr) => NameSpace::Glance,
            _ => NameSpace::Driver(safe_name(&spec.name)),
        };
        let max_bytes = spec.config.limits.database;
        CacheAccess {
            images: Images::new(Arc::clone(&directory)),
            database: Database::new(directory, &path, max_bytes, deadline.clone()),
            attributes: Attributes::new(names, deadline.clone()),
        }
    }
}
