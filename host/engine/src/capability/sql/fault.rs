//! Why a statement was not executed, and the meaning of SQLite's errors.

use crate::capability::error::CapabilityError;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMSIZE};

/// Why a statement was not executed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqlFault {
    #[error(transparent)]
    Answer(#[from] CapabilityError),
    /// The host refused it, for the reason in this text.
    #[error("{1}")]
    Refused(CapabilityError, String),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A statement, counted from 1, changed another number of rows than expected.
    #[error("statement {0} changed {1} rows")]
    UnexpectedRows(u32, u64),
    /// The fault of one statement of several; they are counted from 1.
    #[error("statement {0}: {1}")]
    OfStatement(usize, Box<SqlFault>),
}

impl SqlFault {
    /// The text states what is wrong, for the driver's author.
    pub fn refused(error: CapabilityError, why: impl Into<String>) -> SqlFault {
        SqlFault::Refused(error, why.into())
    }

    /// What is wrong, without the statement's text.
    pub fn why(&self) -> String {
        match self {
            SqlFault::Answer(CapabilityError::Other(words)) => words.clone(),
            SqlFault::Sqlite(rusqlite::Error::SqlInputError { msg, offset, .. }) => {
                format!("{msg} at offset {offset}")
            }
            other => other.to_string(),
        }
    }

    /// SQLite's error, if it is one.
    pub fn sqlite(&self) -> Option<&rusqlite::Error> {
        match self {
            SqlFault::Sqlite(error) => Some(error),
            SqlFault::OfStatement(_, fault) => fault.sqlite(),
            SqlFault::Answer(_) | SqlFault::Refused(..) | SqlFault::UnexpectedRows(..) => None,
        }
    }
}

/// Whether there is no space for the database or for SQLite's side files: the log, and the log's index.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || [SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMMAP].contains(&error.extended_code)
    })
}

/// Whether a statement exceeded a limit that SQLite counts for the whole process: its own memory, or that of other statements.
pub(super) fn may_be_of_others(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted))
}

/// Whether another connection holds a required lock.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
