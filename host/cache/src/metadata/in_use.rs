//! The driver in use, and the built-in sqlite driver as its fallback.

use super::fallback::{Fallback, FallbackReason};
use super::last_fallback;
use crate::error::{DriverFailure, Error};
use image_cache_engine::{Driver, LoadError};
use image_cache_model::Config;
use image_cache_store::Directory;
use std::sync::Arc;

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
    /// Set if it replaces the configured driver.
    pub fallback: Option<Fallback>,
}

/// A driver, and why it is used if it is not the configured one.
pub(crate) struct InUse {
    pub driver: Driver,
    pub fallback: Option<Fallback>,
}

impl InUse {
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
    let fallback = Fallback { configured, reason };
    last_fallback::save(directory, &fallback);
    Ok(InUse { driver, fallback: Some(fallback) })
}
