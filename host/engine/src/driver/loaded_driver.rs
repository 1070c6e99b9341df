//! A loaded driver: calls from any thread, one at a time, to the instance of the moment.

mod instance_slot;

use super::context::DriverContext;
use super::convert;
use super::convert::ContractViolation;
use super::deadline::end_of;
use super::error::CallError;
use super::host_state::HostState;
use super::instance::{Instance, Template};
use super::peak_usage::Peak;
use crate::bindings::exports::image_cache::driver::driver::Guest;
use crate::bindings::image_cache::driver::types;
use crate::capability::images::OpenImage;
use image_cache_model::{
    CacheSize, CachedImage, Eviction, Hit, ImageId, Leftover, Victim, timestamp,
};
use image_cache_store::sync::Gate;
use instance_slot::Slot;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime};
use std::{fmt, io};
use wasmtime::Store;

/// A driver that was loaded and configured. `Send + Sync`; calls wait for each other.
///
/// After a trap, a deadline or an answer that no driver may give, its instance is thrown away, and the next call is
/// made on a new one.
pub struct Driver {
    loaded: Arc<Loaded>,
    /// When a call must be over, where it has less time than a call may take.
    until: Option<Instant>,
}

/// What all handles of a driver share.
struct Loaded {
    home: DriverContext,
    name: String,
    version: String,
    template: Template,
    /// Passed by the one call that runs.
    gate: Gate,
    slot: Mutex<Slot>,
}

/// What a call of the guest comes to: a trap, an error of the driver, or its answer.
type Answer<R> = wasmtime::Result<Result<R, types::Error>>;

impl Driver {
    pub(super) fn new(
        home: DriverContext,
        description: (String, String),
        template: Template,
        live: Instance,
    ) -> Self {
        let (name, version) = description;
        let slot = Mutex::new(Slot { live: Some(live), idle: None });
        let loaded = Loaded { home, name, version, template, gate: Gate::new(), slot };
        Driver { loaded: Arc::new(loaded), until: None }
    }

    /// The same driver, whose calls must be over at `until`.
    pub fn until(&self, until: Instant) -> Driver {
        Driver { loaded: Arc::clone(&self.loaded), until: Some(until) }
    }

    /// When a call that starts now must be over.
    pub fn end_of_call(&self) -> Instant {
        end_of(Instant::now(), self.loaded.template.limits().call_time)
    }

    /// Whether it came with the host.
    pub fn is_built_in(&self) -> bool {
        self.loaded.home.built_in.is_some()
    }

    /// The driver as it was configured: a built-in name, a name of `[drivers.NAME]`, or a path.
    pub fn name(&self) -> &str {
        &self.loaded.home.name
    }

    /// What the driver calls itself.
    pub fn own_name(&self) -> &str {
        &self.loaded.name
    }

    /// The driver's own version.
    pub fn version(&self) -> &str {
        &self.loaded.version
    }

    /// The most that this driver used of each of its bounds since it was loaded.
    pub fn peaks(&self) -> Vec<Peak> {
        let slot = self.slot();
        let state = slot.live.as_ref().map(Instance::state).or(slot.idle.as_ref());
        state.map(HostState::peaks).unwrap_or_default()
    }

    /// Whether the policy lets an image in; `size` in bytes, where it is known.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn is_cacheable(
        &self,
        image_id: &ImageId,
        size: Option<u64>,
        now: SystemTime,
    ) -> Result<bool, CallError> {
        let id = image_id.as_str().to_owned();
        let work = |guest: &Guest, store: &mut _| {
            guest.call_is_cacheable(store, &id, size, timestamp(now))
        };
        self.call("is-cacheable", work, Ok)
    }

    /// Writes a record, in place of any that is there. `file` is the file that the image's attributes are meant to be
    /// on, where it is not published yet.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn record_cached(&self, image: &CachedImage, file: Option<&File>) -> Result<(), CallError> {
        let file = file.map(File::try_clone).transpose();
        let file =
            file.map_err(|e| CallError::Failed(format!("record-cached could not be tried: {e}")))?;
        let subject =
            file.map(|file| OpenImage { image_id: image.image_id.clone(), file: file.into() });
        let image = convert::image_to_guest(image);
        let work = |guest: &Guest, store: &mut Store<HostState>| {
            store.data_mut().capabilities.set_unpublished(subject);
            let result = guest.call_record_cached(&mut *store, &image);
            store.data_mut().capabilities.set_unpublished(None);
            result
        };
        self.call("record-cached", work, Ok)
    }

    /// Counts hits, oldest first; one of an image without a record is passed over.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn record_hits(&self, hits: &[Hit]) -> Result<(), CallError> {
        self.record_hits_with(hits, None)
    }

    /// The same, of an image whose file is open: a driver that keeps its records on the files need not open it.
    pub fn record_hits_with(
        &self,
        hits: &[Hit],
        opened: Option<&OpenImage>,
    ) -> Result<(), CallError> {
        let hits = convert::hits_to_guest(hits);
        let lent = opened.filter(|_| self.loaded.template.sees_files()).cloned();
        let work = |guest: &Guest, store: &mut Store<HostState>| {
            lent.into_iter().for_each(|lent| store.data_mut().capabilities.reuse_open_file(lent));
            guest.call_record_hits(store, &hits)
        };
        self.call("record-hits", work, Ok)
    }

    /// Removes records; an image without one is passed over.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn forget(&self, ids: &[ImageId]) -> Result<(), CallError> {
        let ids = convert::ids_to_guest(ids);
        self.call("forget", |guest, store| guest.call_forget(store, &ids), Ok)
    }

    /// One record.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn cached_image(&self, id: &ImageId) -> Result<Option<CachedImage>, CallError> {
        let asked = id.as_str().to_owned();
        let work = |guest: &Guest, store: &mut _| guest.call_get_cached_image(store, &asked);
        self.call("get-cached-image", work, |image| convert::record_of(id, image))
    }

    /// A page of records in the order of their ids, behind `after`; an empty one ends the list.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn cached_images(
        &self,
        after: Option<&ImageId>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, CallError> {
        let behind = after.map(|id| id.as_str().to_owned());
        let work = |guest: &Guest, store: &mut _| {
            guest.call_get_cached_images(store, behind.as_ref(), limit)
        };
        self.call("get-cached-images", work, |images| convert::page(after, limit, images))
    }

    /// Images and bytes in the records.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn cache_size(&self) -> Result<CacheSize, CallError> {
        self.call(
            "get-cache-size",
            |guest, store| guest.call_get_cache_size(store),
            convert::cache_size,
        )
    }

    /// What to evict, first to go first.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn select_victims(&self, eviction: &Eviction<'_>) -> Result<Vec<Victim>, CallError> {
        let request = convert::eviction_to_guest(eviction);
        let work = |guest: &Guest, store: &mut _| guest.call_select_victims(store, &request);
        self.call("select-victims", work, |victims| convert::victims(eviction, victims))
    }

    /// Which of a page of leftovers are to be removed now.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn select_leftovers(
        &self,
        leftovers: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Leftover>, CallError> {
        let offered = convert::leftovers_to_guest(leftovers);
        let (before, now) = (timestamp(stalled_before), timestamp(now));
        let work = |guest: &Guest, store: &mut _| {
            guest.call_select_leftovers(store, &offered, before, now)
        };
        self.call("select-leftovers", work, |chosen| convert::leftovers(leftovers, &chosen))
    }

    /// After [`CallError::Corrupt`]: moves the database and its side files into `.image-cache/`, says where it is now, and
    /// drops the instance; the next call starts on an empty database. Where somebody else moved it first, or it is sound
    /// after all, nothing is moved.
    pub fn quarantine_database(&self) -> io::Result<Option<PathBuf>> {
        let mut slot = self.slot();
        slot.retire();
        slot.idle.get_or_insert_with(|| HostState::new(&self.loaded.home)).quarantine_database()
    }

    /// Whether the driver's database was removed or replaced since it was opened; told once. The next call makes another.
    pub fn close_replaced_database(&self) -> bool {
        self.slot().drop_replaced()
    }

    /// One call on the instance, made anew where there is none; `check` holds what came back against what was asked.
    fn call<R: Send, T>(
        &self,
        name: &str,
        work: impl FnOnce(&Guest, &mut Store<HostState>) -> Answer<R> + Send,
        check: impl FnOnce(R) -> Result<T, ContractViolation>,
    ) -> Result<T, CallError> {
        // Whoever waits for the calls of others does so no longer than a call may take itself.
        let wait_until = || self.until.unwrap_or_else(|| self.end_of_call());
        let Some(_passed) = self.loaded.gate.pass(wait_until) else {
            return Err(CallError::Crowded);
        };
        let mut slot = self.slot();
        if slot.drop_replaced() {
            return Err(CallError::Replaced);
        }
        // One deadline for all of it, a new instance included; one that is there sets its own.
        let until = self.until.or_else(|| slot.live.is_none().then(|| self.end_of_call()));
        let live = slot.live(&self.loaded.template, &self.loaded.home, until)?;
        let answer = live.call(name, until, work);
        let corruption = live.state().corruption().map(str::to_owned);
        let result = match answer {
            Ok(Ok(returned)) => check(returned)
                .map_err(|lie| CallError::Failed(format!("{name} answered wrongly: {lie}"))),
            Ok(Err(refusal)) => Err(CallError::Refused(refusal.into())),
            Err(failed) => Err(failed),
        };
        if matches!(result, Err(CallError::Failed(_))) {
            slot.retire();
        }
        match corruption {
            Some(words) => Err(CallError::Corrupt(words)),
            None => result,
        }
    }

    /// The slot. Where a thread panicked over it, what it held is not trusted any more.
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.loaded.slot.lock().unwrap_or_else(|poisoned| {
            self.loaded.slot.clear_poison();
            let mut slot = poisoned.into_inner();
            *slot = Slot::default();
            slot
        })
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loaded { home, name, version, .. } = &*self.loaded;
        f.debug_struct("Driver")
            .field("configured", &home.name)
            .field("name", name)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
