//! Why a driver could not be loaded, or a call of one failed.

use crate::bindings::image_cache::driver::types;
use image_cache_model::printable;

/// Maximum length of a guest's text in an error, in bytes.
const MAX_TEXT: usize = 1024;

/// An error that the driver itself returned, or that a capability returned to the driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The storage is busy; the same call may succeed later.
    #[error("its storage is busy; try again later")]
    Busy,
    /// The storage, or the driver's share of it, is full.
    #[error("its storage is full")]
    Full,
    /// The object of the call does not exist.
    #[error("not found")]
    NotFound,
    /// The cache's file system does not support this.
    #[error("the file system of the cache cannot do this")]
    Unsupported,
    /// The driver used a capability that it was not granted.
    #[error("denied: outside of what the driver was granted")]
    Denied,
    /// More rows, bytes or time than a call may take.
    #[error("too large: more rows, bytes or time than a call may take")]
    TooLarge,
    /// An invalid argument for the driver or a capability.
    #[error("an invalid argument")]
    InvalidArgument,
    /// Any other error, as a text.
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
    /// The driver returned an error. Its instance remains usable.
    #[error("{0}")]
    Refused(DriverError),
    /// The same, after an SQL statement of the driver failed in this call; the text names the statement and why.
    #[error("{error}; {statement}")]
    StatementFailed {
        /// What the driver returned.
        error: DriverError,
        /// The last statement that failed, shortened, and the reason.
        statement: String,
    },
    /// The driver trapped, took too long, reached a limit, or returned an invalid result. Its instance is dropped; the
    /// next call creates a new one.
    #[error("{0}")]
    Failed(String),
    /// Earlier calls used all the time that this call had: it was not made. The cause is the load, not
    /// the driver.
    #[error("earlier calls of the driver used all the time of this call; it was not made")]
    Crowded,
    /// SQLite found the driver's database corrupt, or not a database.
    #[error("its database is corrupt or no database: {0}")]
    Corrupt(String),
    /// The driver's database was removed or replaced since it was opened. The next call creates a new instance and database.
    #[error("its database was removed or replaced while it was open")]
    Replaced,
}

impl CallError {
    /// The driver returned this error. It often has no text, so the last failed statement is added, if there is one: except to
    /// busy or full storage, which is no fault of the driver.
    pub(super) fn refused(error: DriverError, failed_statement: Option<&str>) -> CallError {
        match (error, failed_statement) {
            (error @ (DriverError::Busy | DriverError::Full), _) | (error, None) => {
                CallError::Refused(error)
            }
            (error, Some(statement)) => {
                CallError::StatementFailed { error, statement: statement.to_owned() }
            }
        }
    }
}

/// Why a driver cannot be used: every reason that was found, with advice.
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
    /// An error for the requested driver, with all its faults.
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
            types::Error::Other(text) if text.trim().is_empty() => {
                DriverError::Other("the driver gave no reason".into())
            }
            types::Error::Other(text) => DriverError::Other(printable(&text, MAX_TEXT)),
        }
    }
}
