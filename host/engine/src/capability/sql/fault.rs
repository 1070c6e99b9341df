//! Why a statement was not executed, and the meaning of SQLite's errors.

use crate::capability::error::CapabilityError;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMSIZE};

/// Why a statement was not executed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) enum SqlFault {
    Answer(#[from] CapabilityError),
    Sqlite(#[from] rusqlite::Error),
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
