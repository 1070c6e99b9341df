//! A loaded driver: calls from any thread, one at a time, on a replaceable instance.

mod calls;
mod instance_slot;
mod optional_calls;

use super::convert::ContractViolation;
use super::deadline::end_of;
use super::error::CallError;
use super::exports::Exports;
use super::host_state::HostState;
use super::instance::{Instance, InstanceTemplate};
use super::peak_usage::Peak;
use crate::bindings::exports::image_cache::driver::driver::Guest;
use crate::bindings::image_cache::driver::types;
use crate::capability::metrics::DriverMetric;
use image_cache_store::process::Working;
use image_cache_store::sync::TimedLock;
use instance_slot::InstanceSlot;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{fmt, io};
use wasmtime::Store;

/// A driver that was loaded and configured. `Send + Sync`; calls wait for each other.
///
/// After a trap, a deadline or an invalid result, its instance is dropped, and the next call uses a new one.
/// Clones made by [`until`](Self::until) share the instance; dropping the last one ends it.
pub struct Driver {
    loaded: Arc<Loaded>,
    /// The deadline of a call, if it is earlier than the limit of a call.
    until: Option<Instant>,
}

/// The state that all handles of a driver share.
struct Loaded {
    name: String,
    version: String,
    template: InstanceTemplate,
    /// Held during a call.
    calling: TimedLock,
    slot: Mutex<InstanceSlot>,
}

/// The result of a call of the guest: a trap, an error of the driver, or its return value.
type CallResult<R> = wasmtime::Result<Result<R, types::Error>>;

impl Driver {
    pub(super) fn new(
        description: (String, String),
        template: InstanceTemplate,
        instance: Instance,
    ) -> Self {
        let (name, version) = description;
        let slot = Mutex::new(InstanceSlot { instance: Some(instance), idle: None });
        let loaded = Loaded { name, version, template, calling: TimedLock::new(), slot };
        Driver { loaded: Arc::new(loaded), until: None }
    }

    /// The same driver, whose calls must end at `until`.
    pub fn until(&self, until: Instant) -> Driver {
        Driver { loaded: Arc::clone(&self.loaded), until: Some(until) }
    }

    /// The deadline of a call that starts now.
    pub fn end_of_call(&self) -> Instant {
        end_of(Instant::now(), self.loaded.template.spec.config.limits.call_time)
    }

    /// Whether the driver is built in.
    pub fn is_built_in(&self) -> bool {
        self.loaded.template.spec.built_in.is_some()
    }

    /// The driver's configured name: a built-in name, a name of `[drivers.NAME]`, or a path.
    pub fn name(&self) -> &str {
        &self.loaded.template.spec.name
    }

    /// The driver's name for itself.
    pub fn own_name(&self) -> &str {
        &self.loaded.name
    }

    /// The driver's own version.
    pub fn version(&self) -> &str {
        &self.loaded.version
    }

    /// The SHA-256 of the driver's component, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        self.loaded.template.spec.digest.map(hex::encode).unwrap_or_default()
    }

    /// The name of its database in `.image-cache/drivers/`, if it has one.
    pub fn database_file(&self) -> Option<String> {
        let slot = self.slot();
        let state = slot.instance.as_ref().map(Instance::state).or(slot.idle.as_ref());
        let access = state.and_then(|state| state.cache.as_ref());
        access.and_then(|access| access.database.claimed_file()).map(str::to_owned)
    }

    /// Values that the driver counted and measured, for a service's metrics.
    pub fn metrics(&self) -> Vec<DriverMetric> {
        // During a call, the slot is locked: this waits at most as long as a call.
        let Some(_calling) = self.loaded.calling.lock_until(|| self.end_of_call()) else {
            return Vec::new();
        };
        let slot = self.slot();
        let state = slot.instance.as_ref().map(Instance::state).or(slot.idle.as_ref());
        state.map(|state| state.metrics.list()).unwrap_or_default()
    }

    /// What was wrong with the first metric of the driver that was ignored, if one was.
    pub fn metrics_fault(&self) -> Option<String> {
        let slot = self.slot();
        let state = slot.instance.as_ref().map(Instance::state).or(slot.idle.as_ref());
        state.and_then(|state| state.metrics.fault().map(str::to_owned))
    }

    /// This driver's maximum use of each limit since it was loaded.
    pub fn peaks(&self) -> Vec<Peak> {
        let slot = self.slot();
        let state = slot.instance.as_ref().map(Instance::state).or(slot.idle.as_ref());
        state.map(HostState::peaks).unwrap_or_default()
    }

    /// After [`CallError::Corrupt`]: moves the database and its side files into `.image-cache/`, returns its new path, and
    /// drops the instance; the next call starts on an empty database. If another thread or process moved it first, or a second
    /// check finds no fault, nothing is moved.
    pub fn quarantine_database(&self) -> io::Result<Option<PathBuf>> {
        let _working = Working::start();
        let mut slot = self.slot();
        slot.retire();
        slot.idle
            .get_or_insert_with(|| HostState::new(&self.loaded.template.spec))
            .quarantine_database()
    }

    /// Whether the driver's database was removed, replaced or emptied since it was opened; reported once. The next call creates
    /// another.
    pub fn close_replaced_database(&self) -> bool {
        let _working = Working::start();
        self.slot().drop_replaced_or_emptied()
    }

    /// One call of the interface that every driver exports.
    fn call<R: Send, T>(
        &self,
        name: &str,
        work: impl FnOnce(&Guest, &mut Store<HostState>) -> CallResult<R> + Send,
        check: impl FnOnce(R) -> Result<T, ContractViolation>,
    ) -> Result<T, CallError> {
        self.call_export(name, |exports, store| work(exports.driver(), store), check)
    }

    /// One call on the instance, which is created if there is none; `check` compares the result with the arguments.
    fn call_export<R: Send, T>(
        &self,
        name: &str,
        work: impl FnOnce(&Exports, &mut Store<HostState>) -> CallResult<R> + Send,
        check: impl FnOnce(R) -> Result<T, ContractViolation>,
    ) -> Result<T, CallError> {
        // A call waits for other calls at most as long as a call may take.
        let wait_until = || self.until.unwrap_or_else(|| self.end_of_call());
        let Some(_calling) = self.loaded.calling.lock_until(wait_until) else {
            return Err(CallError::Crowded);
        };
        let _working = Working::start();
        let mut slot = self.slot();
        if slot.drop_replaced() {
            return Err(CallError::Replaced);
        }
        // One deadline for everything, including a new instance; an existing instance sets its own.
        let until = self.until.or_else(|| slot.instance.is_none().then(|| self.end_of_call()));
        let instance = slot.instance(&self.loaded.template, until)?;
        let answer = instance.call(name, until, work);
        let corruption = instance.state().corruption().map(str::to_owned);
        let result = match answer {
            Ok(Ok(returned)) => check(returned)
                .map_err(|violation| CallError::InvalidResult { call: name.to_owned(), violation }),
            Ok(Err(refusal)) => {
                let statement = instance.state().log.failed_statement();
                Err(CallError::refused(refusal.into(), statement))
            }
            Err(failed) => Err(failed),
        };
        if result.as_ref().is_err_and(CallError::is_failure) {
            slot.retire();
        }
        match corruption {
            Some(words) => Err(CallError::Corrupt(words)),
            None => result,
        }
    }

    /// The slot. If a thread panicked while it held the slot, its contents are not trusted.
    fn slot(&self) -> MutexGuard<'_, InstanceSlot> {
        self.loaded.slot.lock().unwrap_or_else(|poisoned| {
            self.loaded.slot.clear_poison();
            let mut slot = poisoned.into_inner();
            *slot = InstanceSlot::default();
            slot
        })
    }
}

impl Drop for Loaded {
    /// Ends the instance, which closes the database.
    fn drop(&mut self) {
        let _working = Working::start();
        let slot = self.slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        *slot = InstanceSlot::default();
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loaded { template, name, version, .. } = &*self.loaded;
        f.debug_struct("Driver")
            .field("configured", &template.spec.name)
            .field("name", name)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
