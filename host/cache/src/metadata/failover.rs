//! The driver in use, and its replacement when it fails too often.

use super::MetadataStore;
use super::breaker::{Breaker, FailureCost, WINDOW};
use super::fallback::FallbackReason;
use super::in_use::{DriverStatus, InUse, fall_back, is_last_resort};
use super::last_fallback;
use super::sync_state::SyncState;
use super::tick_timer::TickTimer;
use crate::error::{DriverFailure, Error, Result};
use crate::events::{CacheEvent, EventHub};
use crate::live_config::LiveConfig;
use crate::metrics::CacheMetrics;
use image_cache_engine::{CallError, Driver, LoadError, compile_fallback};
use image_cache_model::Config;
use image_cache_store::Directory;
use image_cache_store::sync::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

impl MetadataStore {
    /// Loads the configured driver, or else sqlite; an error with both reasons if neither works.
    pub fn open(
        live_config: Arc<LiveConfig>,
        directory: Arc<Directory>,
        metrics: Arc<CacheMetrics>,
        events: Arc<EventHub>,
    ) -> Result<MetadataStore> {
        let config = live_config.get();
        let in_use = match Driver::load(&config.driver, &config, Arc::clone(&directory)) {
            Ok(driver) => {
                if !is_last_resort(&config.driver) {
                    compile_fallback(&config);
                }
                InUse::new(driver, None)
            }
            Err(reason) => {
                let fallback = replace_unusable(&config, &directory, reason)?;
                metrics.counters().fallbacks += 1;
                fallback
            }
        };
        in_use.announce(&config.driver, &directory);
        Ok(MetadataStore {
            config: live_config,
            directory,
            is_listening: AtomicBool::new(in_use.is_listening()),
            in_use: Mutex::new(Arc::new(in_use)),
            breaker: Breaker::default(),
            metrics,
            events,
            timer: TickTimer::default(),
            sync: SyncState::default(),
        })
    }

    /// Loads the configured driver again, and uses it from the next call on; if it cannot be loaded, the driver in use stays. Calls
    /// that are running end with the old instance, on the same database.
    pub fn reload(&self) -> Result<()> {
        self.load(&self.config.get())
    }

    /// Loads the driver of this configuration, and uses it from the next call on; if it cannot be loaded, the driver in use stays.
    pub fn load(&self, config: &Config) -> Result<()> {
        let loaded = Driver::load(&config.driver, config, Arc::clone(&self.directory));
        let driver = loaded.map_err(|error| {
            let in_use = self.in_use();
            // The attempt may have noted the database of the new driver.
            in_use.announce(&self.config.get().driver, &self.directory);
            in_use.error("load the driver again", error)
        })?;
        // Another driver may have other records: hits wait until these are reconciled. It is marked before, so that no hit reaches
        // empty records, and again after, because a reconciliation of the old ones may have ended in between.
        self.sync.mark_dirty();
        let new = InUse::new(driver, None);
        new.announce(&config.driver, &self.directory);
        self.set_in_use(&mut lock(&self.in_use), new);
        self.sync.mark_dirty();
        self.breaker.reset();
        last_fallback::forget(&self.directory);
        Ok(())
    }

    fn set_in_use(&self, place: &mut Arc<InUse>, new: InUse) {
        self.is_listening.store(new.is_listening(), Ordering::Relaxed);
        *place = Arc::new(new);
    }

    /// The driver in use, and why if it is not the configured one.
    pub fn status(&self) -> DriverStatus {
        let in_use = self.in_use();
        DriverStatus {
            name: in_use.driver.name().to_owned(),
            version: in_use.driver.version().to_owned(),
            sha256: in_use.driver.sha256(),
            fallback: in_use.fallback.clone(),
        }
    }

    /// Counts answers that are useless, although each one follows the contract. True if the driver was replaced, so that the
    /// caller can ask again.
    pub fn distrust(&self, operation: &'static str, reason: DriverFailure) -> bool {
        self.sync.mark_dirty();
        self.note_failure(&self.in_use(), operation, FailureCost::Single, reason)
    }

    /// Whether the driver is built in, so that its answers are trusted where they cannot be checked.
    pub fn is_built_in(&self) -> bool {
        lock(&self.in_use).driver.is_built_in()
    }

    /// The name of the driver in use.
    pub fn driver_name(&self) -> String {
        self.in_use().driver.name().to_owned()
    }

    /// Whether this driver is still in use.
    pub fn is_served_by(&self, driver: &Arc<InUse>) -> bool {
        Arc::ptr_eq(&lock(&self.in_use), driver)
    }

    /// The driver in use at this moment.
    pub fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&lock(&self.in_use))
    }

    /// The deadline of a call that starts now.
    pub fn end_of_call(&self) -> Instant {
        self.in_use().driver.end_of_call()
    }

    /// Checks whether the driver's database was removed or replaced, before its next call detects that.
    pub fn check_database(&self) {
        let in_use = self.in_use();
        if in_use.driver.close_replaced_database() {
            self.note_replaced(&in_use);
        }
    }

    /// Counts a failure; true if there were too many, and another driver is in use now.
    pub(super) fn note_failure(
        &self,
        in_use: &Arc<InUse>,
        operation: &'static str,
        cost: FailureCost,
        reason: impl Into<DriverFailure>,
    ) -> bool {
        let (driver, last) = (in_use.driver.name(), reason.into());
        tracing::warn!(driver, operation, reason = %last, "the driver failed");
        let too_many = self.breaker.note_failure(operation, cost, Instant::now());
        match too_many {
            Some(failures) if !is_last_resort(driver) => {
                let (failures, last) = (failures as u64, Box::new(last));
                let reason =
                    FallbackReason::FailedTooOften { operation, failures, within: WINDOW, last };
                self.replace(in_use, reason)
            }
            _ => false,
        }
    }

    /// Replaces a driver that keeps failing with sqlite; true if this thread or another one succeeded.
    pub(super) fn replace(&self, failing: &Arc<InUse>, reason: FallbackReason) -> bool {
        let mut in_use = lock(&self.in_use);
        if !Arc::ptr_eq(&in_use, failing) {
            return true;
        }
        let config = self.config.get();
        match fall_back(&config, &self.directory, reason) {
            Ok(fallback) => {
                self.breaker.reset();
                self.metrics.counters().fallbacks += 1;
                fallback.announce(&config.driver, &self.directory);
                let event = fallback.fallback.clone();
                event.iter().for_each(|event| last_fallback::save(&self.directory, event));
                self.set_in_use(&mut in_use, fallback);
                self.sync.mark_dirty();
                drop(in_use);
                if let Some(fallback) = event {
                    self.events.publish(|| CacheEvent::Fallback(fallback));
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "a failing driver cannot be replaced");
                false
            }
        }
    }

    /// The records' database was removed or replaced: the next call creates a new one, which is filled from the directory.
    pub(super) fn note_replaced(&self, in_use: &InUse) {
        self.sync.mark_dirty();
        let driver = in_use.driver.name();
        tracing::warn!(
            driver,
            "the database was removed or replaced while it was open; the records are rebuilt from the directory"
        );
    }

    /// Quarantines a database that SQLite cannot read, so that it is rebuilt from the directory.
    pub(super) fn quarantine_database(&self, in_use: &InUse, error: &CallError) -> bool {
        self.sync.mark_dirty();
        let reason = match error {
            CallError::Corrupt(reason) => reason.clone(),
            other => other.to_string(),
        };
        match in_use.driver.quarantine_database() {
            Ok(None) => {
                tracing::warn!(%reason, "the database could not be read at first");
                true
            }
            Ok(Some(place)) => {
                let place = place.display();
                tracing::warn!(%reason, %place, "the database was quarantined; it is rebuilt from the directory");
                true
            }
            Err(error) => {
                tracing::error!(%reason, %error, "the database is unusable and cannot be quarantined");
                false
            }
        }
    }
}

/// Loads sqlite instead of the configured driver, which cannot be loaded for this reason.
fn replace_unusable(
    config: &Config,
    directory: &Arc<Directory>,
    reason: LoadError,
) -> Result<InUse> {
    let configured = config.driver.clone();
    if is_last_resort(&configured) {
        return Err(Error::NoDriver { configured, reason, fallback: None });
    }
    match fall_back(config, directory, FallbackReason::Load(reason.clone())) {
        Ok(in_use) => {
            let runs = || runs_elsewhere(directory, &configured);
            in_use
                .fallback
                .iter()
                .filter(|_| !runs())
                .for_each(|it| last_fallback::save(directory, it));
            Ok(in_use)
        }
        Err(error) => {
            let fallback = Some(Box::new(error));
            Err(Error::NoDriver { configured, reason, fallback })
        }
    }
}

/// Whether another process uses this driver: then the driver works there, and a fallback of this process is its own affair.
fn runs_elsewhere(directory: &Directory, configured: &str) -> bool {
    let others = directory.running_elsewhere().unwrap_or_default();
    let mut drivers = others.into_iter().filter_map(|other| other.driver);
    drivers.any(|it| it.configured == configured && it.fallback.is_none())
}
