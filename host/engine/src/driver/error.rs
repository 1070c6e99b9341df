//! Why a driver could not be loaded, or a call of one failed.

use crate::bindings::image_cache::driver::types;
use image_cache_model::printable;

/// Longest text of a guest that is repeated in an error, in bytes.
const MAX_TEXT: usize = 1024;

/// An error that the driver itself answered, or that a capability answered the driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The storage is busy; the same call may succeed later.
    #[error("its storage is busy; try again later")]
    Busy,
    /// The storage, or the driver's share of it, is full.
    #[error("its storage is full")]
    Full,
    /// What the call was about is not there.
    #[error("not found")]
    NotFound,
    /// The place where the cache lies cannot do this.
    #[error("the file system of the cache cannot do this")]
    Unsupported,
    /// The driver asked for what it was not granted.
    #[error("denied: outside of what the driver was granted")]
    Denied,
    /// More rows, bytes or time than a call may take.
    #[error("too large: more rows, bytes or time than a call may take")]
    TooLarge,
    /// An argument that the driver or a capability does not take.
    #[error("an invalid argument")]
    InvalidArgument,
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Why a call of a driver failed.
///
/// ```
/// use image_cache_engine::{CallError, DriverError};
/// let error = CallError::Refused(DriverError::Busy);
/// assert_eq!(error.to_string(), "its storage is busy; try again later");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The driver answered with an error. Its instance goes on.
    #[error("{0}")]
    Refused(DriverError),
    /// The driver trapped, took too long, hit a limit, or answered what no driver may answer. Its instance is gone; the
    /// next call makes a new one.
    #[error("{0}")]
    Failed(String),
    /// Calls before this one took all the time that a call may take: it was not made. That speaks of the load, not of
    /// the driver.
    #[error("other calls of the driver took as long as a call may take; it was not called")]
    Crowded,
    /// SQLite found the driver's database corrupt, or no database.
    #[error("its database is corrupt or no database: {0}")]
    Corrupt(String),
    /// The driver's database was removed or replaced since it was opened. The next call makes a new instance, and with it a new database.
    #[error("its database was removed or replaced while it was open")]
    Replaced,
}

/// Why a driver cannot be used: every reason that was found, with what to do about it.
///
/// ```
/// # fn show(error: image_cache_engine::LoadError) {
/// eprintln!("{error}");
/// for fault in error.faults() {
///     eprintln!("- {fault}");
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("driver {driver:?} cannot be used: {}", faults.join("; "))]
pub struct LoadError {
    driver: String,
    faults: Vec<String>,
}

impl LoadError {
    /// Of the driver that was asked for, with everything that is wrong.
    pub fn new(driver: &str, faults: Vec<String>) -> Self {
        LoadError { driver: printable(driver, MAX_TEXT), faults }
    }

    /// The reasons, at least one.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// An error of wasmtime with its causes, in one line.
pub(super) fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<String> =
        error.chain().map(|cause| printable(&cause.to_string(), 500)).collect();
    causes.join(": ")
}

impl From<types::Error> for DriverError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Busy => DriverError::Busy,
            types::Error::Full => DriverError::Full,
            types::Error::NotFound => DriverError::NotFound,
            types::Error::Unsupported => DriverError::Unsupported,
            types::Error::Denied => DriverError::Denied,
            types::Error::TooLarge => DriverError::TooLarge,
            types::Error::InvalidArgument => DriverError::InvalidArgument,
            types::Error::Other(text) => DriverError::Other(printable(&text, MAX_TEXT)),
        }
    }
}
