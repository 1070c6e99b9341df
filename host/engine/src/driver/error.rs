//! Why a call of a driver failed.

use crate::bindings::image_cache::driver::types;
use image_cache_model::printable;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

/// Maximum length of a guest's text in an error, in bytes.
pub(super) const MAX_TEXT: usize = 1024;

/// An error that the driver itself returned, or that a capability returned to the driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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

/// Why a call of a driver failed. Two such errors are equal if they have the same variant and the same text.
///
/// ```
/// use image_cache_engine::{CallError, DriverError};
/// let error = CallError::Refused(DriverError::Busy);
/// assert_eq!(error.to_string(), "its storage is busy; try again later");
/// assert!(!error.is_failure());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CallError {
    /// The driver returned an error. Its instance remains usable.
    Refused(DriverError),
    /// The same, after an SQL statement of the driver failed in this call.
    StatementFailed {
        /// What the driver returned.
        error: DriverError,
        /// The last statement that failed, shortened, and the reason.
        statement: String,
    },
    /// The driver took too long. Its instance is dropped; the next call creates a new one.
    TimedOut(Box<CallFailure>),
    /// The driver reached a limit of its memory, its stack, its handles or the bytes that it may pass. Its instance is dropped.
    LimitReached(Box<CallFailure>),
    /// The driver trapped. Its instance is dropped.
    Trapped(Box<CallFailure>),
    /// The driver returned a result that the contract does not allow. Its instance is dropped.
    InvalidResult {
        /// The function that was called.
        call: String,
        /// What is wrong with the result, in words.
        violation: String,
    },
    /// The driver reports an invalid name or version of itself: what is wrong, in words.
    InvalidDescription(String),
    /// The driver rejects its options or its storage. There is no instance.
    ConfigurationRefused {
        /// The reason that the driver gave.
        refusal: ConfigurationRefusal,
        /// The last SQL statement that failed, shortened, and the reason.
        statement: Option<String>,
    },
    /// The call was not made, because the system refused what it needs.
    NotTried {
        /// The function that was to be called.
        call: &'static str,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The calls of one operation together used all their time: this one was not made.
    OperationTimedOut {
        /// The time that the calls had.
        allowed: Duration,
    },
    /// Earlier calls used all the time that this call had: it was not made. The cause is the load, not
    /// the driver.
    Crowded,
    /// SQLite found the driver's database corrupt, or not a database.
    Corrupt(String),
    /// The driver's database was removed or replaced since it was opened. The next call creates a new instance and database.
    Replaced,
}

/// How a call of a driver ended before it returned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallFailure {
    /// The function that was called.
    pub call: String,
    /// The cause, in words.
    pub cause: String,
    /// The last error that the driver logged during the call, for example the text of its panic.
    pub message: Option<String>,
    /// The last SQL statement that failed during the call, shortened, and the reason.
    pub statement: Option<String>,
    /// The functions that ran, innermost first, if the component names them.
    pub functions: Option<String>,
}

/// Why a driver rejects its configuration, with the text of the driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationRefusal {
    /// The cache's file system lacks what the driver needs.
    #[error("the cache's file system cannot serve it: {0}")]
    Unsupported(String),
    /// An option of the driver has no valid value, or the driver has no such option.
    #[error("one of its options is invalid: {0}")]
    InvalidOption(String),
    /// Any other reason.
    #[error("{0}")]
    Other(String),
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

    /// Whether the driver itself failed: it trapped, exceeded its time or another limit, or broke the contract. The other errors
    /// are those of its storage, of the load, or answers of the driver.
    pub fn is_failure(&self) -> bool {
        match self {
            CallError::TimedOut(_)
            | CallError::LimitReached(_)
            | CallError::Trapped(_)
            | CallError::InvalidResult { .. }
            | CallError::InvalidDescription(_)
            | CallError::ConfigurationRefused { .. }
            | CallError::NotTried { .. }
            | CallError::OperationTimedOut { .. } => true,
            CallError::Refused(_)
            | CallError::StatementFailed { .. }
            | CallError::Crowded
            | CallError::Corrupt(_)
            | CallError::Replaced => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(refusal) => write!(f, "{refusal}"),
            CallError::TimedOut(failure) => write!(f, "{} was cut short: {failure}", failure.call),
            CallError::LimitReached(failure) | CallError::Trapped(failure) => {
                write!(f, "{} failed: {failure}", failure.call)
            }
            CallError::InvalidResult { call, violation } => {
                write!(f, "{call} broke the contract: {violation}")
            }
            CallError::InvalidDescription(violation) => write!(f, "describe: {violation}"),
            CallError::StatementFailed { error, statement } => write!(f, "{error}; {statement}"),
            CallError::ConfigurationRefused { refusal, statement: None } => write!(f, "{refusal}"),
            CallError::ConfigurationRefused { refusal, statement: Some(statement) } => {
                write!(f, "{refusal}; {statement}")
            }
            CallError::NotTried { call, source } => {
                write!(f, "{call} could not be tried: {source}")
            }
            CallError::OperationTimedOut { allowed } => write!(
                f,
                "all its calls together took more than {:.3} s, the limit for the number of cached images",
                allowed.as_secs_f64()
            ),
            CallError::Crowded => f.write_str(
                "earlier calls of the driver used all the time of this call; it was not made",
            ),
            CallError::Corrupt(words) => {
                write!(f, "its database is corrupt or no database: {words}")
            }
            CallError::Replaced => {
                f.write_str("its database was removed or replaced while it was open")
            }
        }
    }
}

impl StdError for CallError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            CallError::NotTried { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl PartialEq for CallError {
    fn eq(&self, other: &CallError) -> bool {
        discriminant(self) == discriminant(other) && self.to_string() == other.to_string()
    }
}

impl Eq for CallError {}

/// The cause, what the driver said, and the functions that ran, without the name of the call.
impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        if let Some(message) = &self.message {
            write!(f, "; it said: {message}")?;
        }
        if let Some(statement) = &self.statement {
            write!(f, "; {statement}")?;
        }
        match &self.functions {
            Some(functions) => write!(f, "; in {functions}"),
            None => Ok(()),
        }
    }
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
