//! What a driver may do outside its own memory: a file for each interface that it may import, and the state of all of them.
//!
//! A new host interface needs an entry in six files, and the compiler or a test names each that is missing:
//! `wit/NAME.wit`, `wit/world.wit`, `capability/NAME.rs`, its state in [`Capabilities`] here, its `impl Host` and its arm in
//! [`link`](crate::driver::host_state::imports::link), and its variant of [`Grant`](image_cache_model::Grant), whose name is the
//! interface's.

pub mod attributes;
pub mod error;
pub mod files;
pub mod images;
pub mod log;
pub mod sql;
pub mod wasi;

use crate::driver::built_in::BuiltIn;
use crate::driver::context::DriverContext;
use crate::driver::deadline::Deadline;
use attributes::{Attributes, NameSpace, safe_name};
use error::CapabilityError;
use images::{Images, OpenImage};
use log::Log;
use sql::{Database, DatabasePath};
use wasmtime_wasi::WasiCtx;

/// The state of every host interface for one driver, whether or not it was granted: an interface that was not granted is not
/// linked, and its state is never asked.
///
/// It outlives an instance, so that the next one finds the database open. `None`: there is no cache, because a component is only
/// inspected.
pub struct Capabilities {
    pub log: Log,
    images: Option<Images>,
    database: Option<Database>,
    attributes: Option<Attributes>,
    /// Listings of files that the guest holds open.
    pub listings: usize,
    /// Made at first use.
    pub wasi: Option<WasiCtx>,
}

impl Capabilities {
    pub fn new(context: &DriverContext, deadline: &Deadline) -> Self {
        let cache = || context.cache.clone();
        let path = match context.built_in {
            Some(BuiltIn::Sqlite) => DatabasePath::InBase(context.sqlite_db.clone()),
            _ => DatabasePath::OfDriver(format!("{}.db", safe_name(&context.name))),
        };
        let names = match context.built_in {
            Some(BuiltIn::Xattr) => NameSpace::Glance,
            _ => NameSpace::Driver(safe_name(&context.name)),
        };
        let max_bytes = context.limits.database;
        let database = |directory| Database::new(directory, &path, max_bytes, deadline.clone());
        Capabilities {
            log: Log::new(&context.name),
            images: cache().map(Images::new),
            database: cache().map(database),
            attributes: cache().map(|_| Attributes::new(names, deadline.clone())),
            listings: 0,
            wasi: None,
        }
    }

    /// Drops what belongs to one instance.
    pub fn drop_instance_state(&mut self) {
        self.listings = 0;
        self.wasi = None;
        self.set_unpublished(None);
    }

    /// A call begins.
    pub fn begin_call(&mut self) {
        self.log.begin_call();
        if let Some(database) = &mut self.database {
            database.begin_call();
        }
    }

    /// A call is over.
    pub fn end_call(&mut self) {
        if let Some(database) = &mut self.database {
            database.end_call();
        }
        if let Some(images) = &mut self.images {
            images.end_call();
        }
    }

    /// Says which unpublished file is recorded: calls about its image mean this file.
    pub fn set_unpublished(&mut self, file: Option<OpenImage>) {
        if let Some(images) = &mut self.images {
            images.unpublished = file;
        }
    }

    /// Spares the call from opening an image's file that the host has open.
    pub fn reuse_open_file(&mut self, opened: OpenImage) {
        if let Some(images) = &mut self.images {
            images.reuse_open_file(opened);
        }
    }

    pub fn images(&mut self) -> Result<&mut Images, CapabilityError> {
        self.images.as_mut().ok_or(CapabilityError::Denied)
    }

    pub fn attributes(&mut self) -> Result<(&mut Attributes, &mut Images), CapabilityError> {
        self.attributes.as_mut().zip(self.images.as_mut()).ok_or(CapabilityError::Denied)
    }

    pub fn database(&mut self) -> Result<&mut Database, CapabilityError> {
        self.database.as_mut().ok_or(CapabilityError::Denied)
    }

    /// The database, to look at; none if there is no cache.
    pub fn open_database(&self) -> Option<&Database> {
        self.database.as_ref()
    }
}
