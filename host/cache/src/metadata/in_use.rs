//! The driver in use, and the built-in sqlite driver as its fallback.

use super::fallback::{Fallback, FallbackReason};
use crate::error::{DriverFailure, Error};
use crate::repeated_warning::RepeatedWarning;
use image_cache_engine::{Driver, LoadError};
use image_cache_model::Config;
use image_cache_store::{Directory, RunningDriver};
use std::sync::Arc;
use std::time::SystemTime;

/// The driver that replaces another one.
const LAST_RESORT: &str = "sqlite";

/// The driver in use, and why if it is not the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverStatus {
    /// The name under which it was loaded.
    pub name: String,
    /// The version that it reports.
    pub version: String,
    /// The SHA-256 of its component, in hexadecimal digits: two builds of one version differ in it.
    pub sha256: String,
    /// Set if it replaces the configured driver.
    pub fallback: Option<Fallback>,
}

/// A driver, and why it is used if it is not the configured one.
pub(crate) struct InUse {
    pub driver: Driver,
    pub fallback: Option<Fallback>,
    /// When it was loaded.
    since: SystemTime,
    /// The warning that it was not told what happened.
    pub not_told: RepeatedWarning<()>,
}

impl InUse {
    pub fn new(driver: Driver, fallback: Option<Fallback>) -> InUse {
        InUse { driver, fallback, since: SystemTime::now(), not_told: RepeatedWarning::default() }
    }

    /// Notes for other processes that this one uses this driver. If that fails, they do not know.
    pub fn announce(&self, configured: &str, directory: &Directory) {
        let driver = RunningDriver {
            configured: configured.to_owned(),
            name: self.driver.name().to_owned(),
            own_name: self.driver.own_name().to_owned(),
            version: self.driver.version().to_owned(),
            sha256: self.driver.sha256(),
            since: self.since,
            fallback: self.fallback.as_ref().map(|fallback| fallback.reason.to_string()),
        };
        if let Err(error) = directory.note_driver(driver, self.driver.database_file()) {
            tracing::debug!(%error, "other processes do not know which driver this one uses");
        }
    }

    /// Whether the driver wants events or ticks.
    pub fn is_listening(&self) -> bool {
        self.driver.has_events() || self.driver.has_timer()
    }

    /// The error of an operation in which this driver failed.
    pub fn error(&self, operation: &'static str, reason: impl Into<DriverFailure>) -> Error {
        Error::Metadata { operation, driver: self.driver.name().to_owned(), reason: reason.into() }
    }
}

/// Whether this is the name of the driver that replaces others.
pub(super) fn is_last_resort(driver: &str) -> bool {
    driver.eq_ignore_ascii_case(LAST_RESORT)
}

/// Loads sqlite instead of the configured driver, which cannot be used for this reason; an error if sqlite cannot be loaded either.
pub(super) fn fall_back(
    config: &Config,
    directory: &Arc<Directory>,
    reason: FallbackReason,
) -> Result<InUse, LoadError> {
    let configured = config.driver.clone();
    tracing::warn!(
        driver = configured,
        %reason,
        "the configured driver cannot be used; sqlite takes its place"
    );
    let driver = Driver::load_fallback(config, Arc::clone(directory))?;
    Ok(InUse::new(driver, Some(Fallback { configured, reason })))
}
