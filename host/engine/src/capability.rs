//! What a driver may do outside its own memory: a file for each interface that it may import, and the state of all interfaces.
//!
//! A new host interface needs an entry in six places, and the compiler or a test names each missing one:
//! `wit/NAME.wit`, `wit/world.wit`, `capability/NAME.rs`, its state in [`CacheAccess`] or in the host's state, its `impl Host`
//! and its arm in [`link`](crate::driver::host_state::imports::link), and its variant of [`Grant`](image_cache_model::Grant),
//! whose name is that of the interface.

pub mod attributes;
pub mod capacity;
pub mod error;
pub mod files;
pub mod image_access;
pub mod images;
pub mod listing;
pub mod log;
pub mod metrics;
pub mod pins;
pub mod simulated_images;
pub mod sql;
pub mod wasi;

use crate::driver::built_in::BuiltIn;
use crate::driver::deadline::Deadline;
use crate::driver::driver_spec::{DriverSpec, Storage};
use attributes::{Attributes, NameSpace, safe_name};
use image_access::ImageAccess;
use image_cache_store::Directory;
use images::Images;
use pins::PinnedImages;
use simulated_images::SimulatedImages;
use sql::{Database, DatabasePath};
use std::sync::Arc;

/// The state of all host interfaces that work on a cache, granted or not. An interface that was not granted is
/// not linked, so its state is not used.
///
/// It outlives an instance, so that the database is already open for the next one.
pub struct CacheAccess {
    pub images: ImageAccess,
    pub database: Database,
    pub pins: PinnedImages,
}

impl CacheAccess {
    /// `None` if the driver has no cache.
    pub fn new(spec: &DriverSpec, deadline: &Deadline) -> Option<Self> {
        match &spec.storage {
            Storage::None => None,
            Storage::Directory(directory) => {
                Some(CacheAccess::in_directory(spec, directory, deadline))
            }
            Storage::Simulated(images) => Some(CacheAccess {
                images: ImageAccess::Simulated(images.clone()),
                database: Database::in_memory(spec.config.limits.database, deadline.clone()),
                pins: PinnedImages::none(),
            }),
        }
    }

    fn in_directory(spec: &DriverSpec, directory: &Arc<Directory>, deadline: &Deadline) -> Self {
        let path = match spec.built_in {
            Some(BuiltIn::Sqlite) => DatabasePath::InBase(spec.sqlite_db.clone()),
            _ => DatabasePath::OfDriver(format!("{}.db", safe_name(&spec.name))),
        };
        let max_bytes = spec.config.limits.database;
        let attributes = Attributes::new(name_space(spec), deadline.clone());
        CacheAccess {
            images: ImageAccess::Files(Images::new(Arc::clone(directory)), attributes),
            database: Database::new(Arc::clone(directory), &path, max_bytes, deadline.clone()),
            pins: PinnedImages::of(directory),
        }
    }
}

/// No images, for a simulation of the driver.
pub fn no_images(spec: &DriverSpec) -> SimulatedImages {
    SimulatedImages::new(name_space(spec))
}

fn name_space(spec: &DriverSpec) -> NameSpace {
    match spec.built_in {
        Some(BuiltIn::Xattr) => NameSpace::Glance,
        _ => NameSpace::Driver(safe_name(&spec.name)),
    }
}
