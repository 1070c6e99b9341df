//! What the host keeps for one driver's instance: its clocks, its bounds, and what it was granted.

pub mod imports;

use super::built_in::BuiltIn;
use super::deadline::{CallClock, Deadline};
use super::memory_limiter::{MAX_ELEMENTS, MemoryLimiter};
use super::peak_usage::{Bound, Peak, PeakUsage};
use crate::capability::attributes::{Attributes, NameSpace, safe_name};
use crate::capability::files::MAX_LISTINGS;
use crate::capability::log::{Log, MAX_PER_SECOND};
use crate::capability::sql::{Database, DatabasePlace, MAX_ROWS, MAX_STATEMENTS};
use crate::capability::{Error, Images, OpenImage};
use image_cache_model::Limits;
use image_cache_store::Directory;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

/// Resources of the host that a guest may hold at once.
const MAX_RESOURCES: usize = 1000;

/// Whose capabilities these are, and where they lie.
#[derive(Debug, Clone)]
pub struct DriverContext {
    /// The driver as configured.
    pub name: String,
    pub built_in: Option<BuiltIn>,
    pub limits: Limits,
    /// The cache; none where a component is only looked at.
    pub cache: Option<Arc<Directory>>,
    /// The built-in sqlite driver's database, below the base directory.
    pub sqlite_db: PathBuf,
}

/// A store's data. It outlives its instance: the next one gets the same connection.
pub struct HostState {
    pub clock: CallClock,
    pub log: Log,
    pub table: ResourceTable,
    /// Listings that the guest holds open.
    pub listings: usize,
    pub wasi: Option<WasiCtx>,
    pub bounds: MemoryLimiter,
    /// The most that was used of each bound, by this instance and those before it.
    pub usage: PeakUsage,
    images: Option<Images>,
    database: Option<Database>,
    attributes: Option<Attributes>,
}

impl HostState {
    pub fn new(home: &DriverContext) -> Self {
        let deadline = Deadline::default();
        let cache = || home.cache.clone();
        let place = match home.built_in {
            Some(BuiltIn::Sqlite) => DatabasePlace::Base(home.sqlite_db.clone()),
            _ => DatabasePlace::Driver(format!("{}.db", safe_name(&home.name))),
        };
        let names = match home.built_in {
            Some(BuiltIn::Xattr) => NameSpace::Glance,
            _ => NameSpace::Driver(safe_name(&home.name)),
        };
        HostState {
            log: Log::new(&home.name),
            table: resources(),
            listings: 0,
            wasi: None,
            bounds: MemoryLimiter::new(&home.limits),
            usage: PeakUsage::default(),
            images: cache().map(Images::new),
            database: cache().map(|directory| {
                Database::new(directory, &place, home.limits.database, deadline.clone())
            }),
            attributes: cache().map(|_| Attributes::new(names, deadline.clone())),
            clock: CallClock::new(home.limits, deadline),
        }
    }

    /// For a new instance: what the last one held is dropped.
    pub fn renewed(mut self, limits: &Limits) -> Self {
        self.table = resources();
        self.listings = 0;
        self.wasi = None;
        self.bounds = MemoryLimiter::new(limits);
        self.set_subject(None);
        self
    }

    /// A call begins, which must be over at `until` if that is given.
    pub fn begin_call(&mut self, until: Option<Instant>) {
        self.clock.start(until);
        self.log.begin_call();
        if let Some(database) = &mut self.database {
            database.begin_call();
        }
    }

    /// Takes note of what the call used.
    pub fn end_call(&mut self) {
        if let Some(database) = &mut self.database {
            database.end_call();
        }
        if let Some(images) = &mut self.images {
            images.forget();
        }
        let (memory, elements) = self.bounds.in_use();
        let (in_guest, total) = self.clock.spent();
        self.usage.note(Bound::Memory, memory);
        self.usage.note(Bound::TableElements, elements);
        self.usage.note(Bound::GuestTime, micros(in_guest));
        self.usage.note(Bound::CallTime, micros(total));
        self.usage.note(Bound::LogMessages, self.log.in_second());
    }

    /// The most that was used of each bound.
    pub fn peaks(&self) -> Vec<Peak> {
        let limits = self.clock.limits();
        let mut usage = self.usage;
        usage.note(Bound::Database, self.database.as_ref().map_or(0, Database::bytes_on_disk));
        usage.peaks(|bound| match bound {
            Bound::Memory => limits.memory,
            Bound::TableElements => MAX_ELEMENTS as u64,
            Bound::GuestTime => micros(limits.guest_time),
            Bound::CallTime => micros(limits.call_time),
            Bound::Rows => MAX_ROWS as u64,
            Bound::Statements => MAX_STATEMENTS as u64,
            Bound::Listings => MAX_LISTINGS as u64,
            Bound::LogMessages => MAX_PER_SECOND,
            Bound::Database => limits.database,
        })
    }

    /// Works for the guest; the time is the host's.
    pub fn charged<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let started = Instant::now();
        let result = work(self);
        self.clock.spent_in_host(started.elapsed());
        result
    }

    /// Says which unpublished file an image's attributes and file are during a call.
    pub fn set_subject(&mut self, subject: Option<OpenImage>) {
        if let Some(images) = &mut self.images {
            images.subject = subject;
        }
    }

    /// Lends an image's open file to the call.
    pub fn lend(&mut self, opened: OpenImage) {
        if let Some(images) = &mut self.images {
            images.lend(opened);
        }
    }

    pub fn images(&self) -> Result<&Images, Error> {
        self.images.as_ref().ok_or(Error::Denied)
    }

    pub fn images_mut(&mut self) -> Result<&mut Images, Error> {
        self.images.as_mut().ok_or(Error::Denied)
    }

    pub fn attributes(&mut self) -> Result<(&mut Attributes, &mut Images), Error> {
        self.attributes.as_mut().zip(self.images.as_mut()).ok_or(Error::Denied)
    }

    pub fn database(&mut self) -> Result<&mut Database, Error> {
        self.database.as_mut().ok_or(Error::Denied)
    }

    /// What SQLite said in this call of a corrupt database.
    pub fn corruption(&self) -> Option<&str> {
        self.database.as_ref()?.corruption()
    }

    /// Whether another process had the database locked in this call.
    pub fn was_busy(&self) -> bool {
        self.database.as_ref().is_some_and(Database::was_busy)
    }

    /// Whether the database that the instance was configured on was removed or replaced since.
    pub fn close_replaced_database(&mut self) -> bool {
        self.database.as_mut().is_some_and(Database::close_if_replaced)
    }

    /// Moves a database that was found corrupt into `.image-cache/`, and says where it is, if it had to be moved.
    pub fn quarantine_database(&mut self) -> io::Result<Option<PathBuf>> {
        match &mut self.database {
            Some(database) => database.quarantine(),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn resources() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_RESOURCES);
    table
}
