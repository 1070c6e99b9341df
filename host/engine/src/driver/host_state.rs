//! The host's state for one driver's instance: its clocks, its limits, and the state of its capabilities.

pub mod imports;
#[cfg(feature = "wasi")]
pub mod wasi_imports;

use super::deadline::{CallClock, Deadline};
use super::driver_spec::DriverSpec;
use super::memory_limiter::{MAX_ELEMENTS, MemoryLimiter};
use super::peak_usage::{Bound, Peak, PeakUsage};
use crate::capability::CacheAccess;
use crate::capability::capacity::Capacity;
use crate::capability::error::CapabilityError;
use crate::capability::files::MAX_LISTINGS;
use crate::capability::images::OpenImage;
use crate::capability::log::{Log, MAX_PER_SECOND};
use crate::capability::metrics::DriverMetrics;
use crate::capability::sql::{Database, MAX_ROWS, MAX_STATEMENTS};
use crate::capability::wasi::WasiState;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wasmtime::component::ResourceTable;

/// Maximum number of the host's resources that a guest may have.
const MAX_RESOURCES: usize = 1000;

/// A store's data, which wasmtime passes to each host function that a guest calls.
///
/// It outlives its instance: [`for_new_instance`](Self::for_new_instance) passes the open database and the peaks to the next
/// one. Dropping it closes the driver's database.
pub struct HostState {
    pub clock: CallClock,
    pub table: ResourceTable,
    pub memory: MemoryLimiter,
    /// The maximum use of each limit, by this instance and earlier ones.
    pub usage: PeakUsage,
    pub log: Log,
    pub capacity: Capacity,
    pub metrics: DriverMetrics,
    /// `None` if a component is only inspected.
    pub cache: Option<CacheAccess>,
    /// The number of the guest's open listings of files.
    pub listings: usize,
    /// The context of a guest of WASI, and what the guest wrote during this call.
    pub wasi: WasiState,
}

impl HostState {
    pub fn new(spec: &DriverSpec) -> Self {
        let (deadline, limits) = (Deadline::default(), spec.config.limits);
        HostState {
            table: resources(),
            memory: MemoryLimiter::new(&limits),
            usage: PeakUsage::default(),
            log: Log::new(&spec.name),
            capacity: Capacity::new(spec.cache_limits),
            metrics: DriverMetrics::new(&spec.name),
            cache: CacheAccess::new(spec, &deadline),
            listings: 0,
            wasi: WasiState::default(),
            clock: CallClock::new(limits, deadline),
        }
    }

    /// The state for a new instance, without the resources of the last one.
    pub fn for_new_instance(mut self) -> Self {
        self.table = resources();
        self.memory = MemoryLimiter::new(&self.clock.limits);
        self.listings = 0;
        self.wasi = WasiState::default();
        self.capacity.usage = None;
        self.set_unpublished(None);
        self
    }

    /// Starts a call, which must end at `until` if that is given.
    pub fn begin_call(&mut self, until: Option<Instant>) {
        self.clock.start(until);
        self.log.begin_call();
        if let Some(cache) = &mut self.cache {
            cache.database.begin_call();
        }
    }

    /// Ends a call, and notes its usage.
    pub fn end_call(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.database.end_call();
            cache.images.end_call();
        }
        // Only a guest of WASI can write.
        self.wasi.take_lines().iter().for_each(|line| self.log.print(line));
        let (memory, elements) = self.memory.in_use();
        let (in_guest, total) = self.clock.spent();
        self.usage.note(Bound::Memory, memory);
        self.usage.note(Bound::TableElements, elements);
        self.usage.note(Bound::GuestTime, micros(in_guest));
        self.usage.note(Bound::CallTime, micros(total));
        self.usage.note(Bound::LogMessages, self.log.in_second());
    }

    /// Sets the unpublished file that is being recorded: calls about its image use this file.
    pub fn set_unpublished(&mut self, file: Option<OpenImage>) {
        if let Some(cache) = &mut self.cache {
            cache.images.set_unpublished(file);
        }
    }

    /// The state of the interfaces to the cache, for a call of the guest.
    pub fn cache(&mut self) -> Result<&mut CacheAccess, CapabilityError> {
        self.cache.as_mut().ok_or(CapabilityError::Denied)
    }

    /// The maximum use of each limit.
    pub fn peaks(&self) -> Vec<Peak> {
        let limits = self.clock.limits;
        let mut usage = self.usage;
        usage.note(Bound::Database, self.database().map_or(0, Database::bytes_on_disk));
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

    /// Runs the host's work for the guest; its time does not count as the guest's.
    pub fn in_host<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let started = Instant::now();
        let result = work(self);
        self.clock.spent_in_host(started.elapsed());
        result
    }

    /// SQLite's message during this call that the database is corrupt.
    pub fn corruption(&self) -> Option<&str> {
        self.database()?.corruption()
    }

    /// Whether another process had the database locked during this call.
    pub fn was_busy(&self) -> bool {
        self.database().is_some_and(Database::was_busy)
    }

    /// Moves a corrupt database into `.image-cache/`; returns its new path if it was moved.
    pub fn quarantine_database(&mut self) -> io::Result<Option<PathBuf>> {
        let cache = self.cache.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        cache.database.quarantine()
    }

    /// The database; `None` if there is no cache.
    fn database(&self) -> Option<&Database> {
        self.cache.as_ref().map(|cache| &cache.database)
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
