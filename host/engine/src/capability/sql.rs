//! The capability `sql`: one database of the driver's own in the cache directory, over one long-lived connection.

mod authorizer;
mod claim;
mod connection;
mod database_lock;
mod execute;
mod fault;
mod file_identity;
mod functions;
mod interrupt;
mod location;
mod memory;
mod owner;
mod place;
mod prepared;
mod quarantine;
mod vfs;

use super::error::CapabilityError;
use crate::bindings::image_cache::driver::sql as wit;
use crate::bindings::image_cache::driver::transactions::Outcome;
use crate::driver::deadline::Deadline;
use authorizer::DiskShare;
use connection::OpenDatabase;
use fault::{SqlFault, is_full, may_be_of_others};
use image_cache_model::printable;
use image_cache_store::{Directory, names};
use location::DatabaseIdentity;
use place::Place;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use execute::{MAX_ROWS, MAX_STATEMENTS};
pub use owner::{Claim, Owner, SetAside};

/// How long the built-in driver tries again while SQLite's memory is used up, and the pause before each attempt.
const MEMORY_PATIENCE: Duration = Duration::from_secs(1);
const MEMORY_PAUSE: Duration = Duration::from_millis(5);

/// Where a driver's database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabasePath {
    /// At this path below the base directory: the built-in sqlite driver's.
    InBase(PathBuf),
    /// This file of `.image-cache/drivers/`.
    OfDriver(String),
}

/// Why a statement failed, for the driver's author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFailure {
    /// Its number in an `execute-all`, from 1.
    pub number: Option<usize>,
    /// What is wrong.
    pub why: String,
}

/// A driver's database, opened at first use.
///
/// [`begin_call`](Self::begin_call) and [`end_call`](Self::end_call) enclose each call of the driver. The connection stays open
/// between calls and instances. It is closed when this is dropped, when its file was replaced, or after a call that had to open
/// it exclusively. SQLite rolls an interrupted statement back.
#[derive(Debug)]
pub struct Database {
    place: Place,
    disk_share: DiskShare,
    /// Whether it is the built-in driver's.
    is_built_in: bool,
    deadline: Deadline,
    open: Option<OpenDatabase>,
    /// The file that was opened last, on which the driver's instance was configured.
    configured_on: Option<DatabaseIdentity>,
    /// Whether this call has checked that the connection's file is still the one at its path.
    file_checked: bool,
    /// Whether this was checked right before the call.
    file_checked_before_call: bool,
    /// SQLite's message in this call that the database is corrupt.
    corruption: Option<String>,
    /// Whether another process had the database locked in this call.
    was_busy: bool,
    /// Why the last statement failed, until it is taken.
    failure: Option<SqlFailure>,
    /// The file that SQLite found corrupt, until it is quarantined.
    found_corrupt: Option<DatabaseIdentity>,
    /// A file that SQLite found corrupt, but not at the second check; it is not checked again.
    found_sound: Option<DatabaseIdentity>,
    /// The driver that claimed it.
    owner: Option<Owner>,
}

impl Database {
    /// The database at this path, which may use `max_bytes` on disk.
    pub fn new(
        directory: Arc<Directory>,
        path: &DatabasePath,
        max_bytes: u64,
        deadline: Deadline,
    ) -> Self {
        let (path, is_built_in) = match path {
            DatabasePath::InBase(path) => (path.clone(), true),
            DatabasePath::OfDriver(name) => (Path::new(names::DRIVERS).join(name), false),
        };
        Database::at(Place::File { directory, path }, is_built_in, max_bytes, deadline)
    }

    /// A database in memory, for a simulation. It may use `max_bytes`, and is lost with this value.
    pub fn in_memory(max_bytes: u64, deadline: Deadline) -> Self {
        Database::at(Place::Memory, false, max_bytes, deadline)
    }

    fn at(place: Place, is_built_in: bool, max_bytes: u64, deadline: Deadline) -> Self {
        let share = if is_built_in { DiskShare::trusted } else { DiskShare::of };
        Database {
            is_built_in,
            place,
            disk_share: share(max_bytes),
            deadline,
            open: None,
            configured_on: None,
            file_checked: false,
            file_checked_before_call: false,
            corruption: None,
            was_busy: false,
            failure: None,
            found_corrupt: None,
            found_sound: None,
            owner: None,
        }
    }

    /// Starts a call: clears the state of the last one.
    pub fn begin_call(&mut self) {
        self.file_checked = std::mem::take(&mut self.file_checked_before_call);
        self.corruption = None;
        self.was_busy = false;
    }

    /// Closes the database if the file on which the instance was configured is no longer the one at its path; returns whether it
    /// did. The next instance is configured on another file.
    pub fn close_if_replaced(&mut self) -> bool {
        let Some(known) = self.configured_on else { return false };
        let is_in_place = match &mut self.open {
            Some(open) => self.place.has(open),
            None => self.place.identity() == Some(known),
        };
        self.file_checked_before_call = is_in_place;
        if !is_in_place {
            (self.open, self.configured_on) = (None, None);
        }
        !is_in_place
    }

    /// Closes the database if its file was emptied: SQLite then needs it exclusively, so no other process can open it.
    pub fn close_if_emptied(&mut self) -> bool {
        let is_emptied = self.configured_on.is_some()
            && self.place.location().is_some_and(|location| location.is_empty());
        if is_emptied {
            (self.open, self.configured_on) = (None, None);
        }
        is_emptied
    }

    /// Ends a call: closes a database that was opened exclusively, so that other processes can open it.
    pub fn end_call(&mut self) {
        self.open.take_if(|open| open.is_exclusive);
    }

    /// Bytes of the database and its log on disk.
    pub fn bytes_on_disk(&self) -> u64 {
        self.place.location().map_or(0, |location| location.bytes_on_disk())
    }

    /// Whether another process had the database locked during this call.
    pub fn was_busy(&self) -> bool {
        self.was_busy
    }

    /// SQLite's message during this call, if it found the database corrupt or not a database.
    pub fn corruption(&self) -> Option<&str> {
        self.corruption.as_deref()
    }

    /// Why the last statement failed, if it did; the error of the interface often has no text. None if another process had the
    /// database locked, or if there was no space.
    pub fn take_failure(&mut self) -> Option<SqlFailure> {
        self.failure.take()
    }

    pub fn execute(&mut self, statement: &wit::Statement) -> Result<u64, CapabilityError> {
        self.checked(|| execute::check(statement))?;
        self.run(|open| open.execute(statement))
    }

    pub fn query(
        &mut self,
        statement: &wit::Statement,
    ) -> Result<wit::QueryResult, CapabilityError> {
        self.checked(|| execute::check(statement))?;
        self.run(|open| open.query(statement))
    }

    pub fn execute_all(
        &mut self,
        statements: &[wit::Statement],
    ) -> Result<Vec<u64>, CapabilityError> {
        self.checked(|| execute::check_all(statements))?;
        self.run(|open| open.execute_all(statements))
    }

    /// Like `execute_all`, but undoes everything if a statement changes another number of rows than expected.
    pub fn execute_checked(
        &mut self,
        statements: &[wit::Statement],
        expected: &[Option<u64>],
    ) -> Result<Outcome, CapabilityError> {
        self.checked(|| execute::check_all(statements))?;
        self.run(|open| open.execute_checked(statements, expected))
    }

    fn checked(
        &mut self,
        check: impl FnOnce() -> Result<(), SqlFault>,
    ) -> Result<(), CapabilityError> {
        check().map_err(|fault| self.note_fault(fault))
    }

    /// Runs statements on the open database. If SQLite counts memory for the whole process ([`memory`]), another statement can use up
    /// what this one may have: the built-in driver tries again for a while, because nothing can replace it.
    fn run<T>(
        &mut self,
        work: impl Fn(&mut OpenDatabase) -> Result<T, SqlFault>,
    ) -> Result<T, CapabilityError> {
        let mut until = None;
        loop {
            match self.open().and_then(&work) {
                Err(fault)
                    if self.is_built_in
                        && fault.sqlite().is_some_and(may_be_of_others)
                        && !self.deadline.passed()
                        && Instant::now()
                            < *until.get_or_insert_with(|| Instant::now() + MEMORY_PATIENCE) =>
                {
                    std::thread::sleep(MEMORY_PAUSE);
                }
                result => return result.map_err(|fault| self.note_fault(fault)),
            }
        }
    }

    /// The connection to the file that is at its path now.
    fn open(&mut self) -> Result<&mut OpenDatabase, SqlFault> {
        if !self.file_checked {
            // Another process may have quarantined the file: later writes to it would be lost.
            self.open.take_if(|open| !self.place.has(open));
            self.file_checked = true;
        }
        if self.open.is_none() {
            let open = self.place.open(self.disk_share, &self.deadline)?;
            // Checked after it was opened: if another driver claims it later, its file is replaced, which every call detects.
            if !self.is_still_ours() {
                let why = "the database belongs to another driver";
                return Err(SqlFault::refused(CapabilityError::Denied, why));
            }
            self.configured_on = Some(open.identity);
            self.open = Some(open);
        }
        let open = self.open.as_mut().ok_or(CapabilityError::Busy)?;
        open.set_busy_timeout(self.deadline.remaining());
        Ok(open)
    }

    /// The interface's error for a fault; notes a corrupt or busy database, and why the statement failed.
    fn note_fault(&mut self, fault: SqlFault) -> CapabilityError {
        let (number, fault) = match fault {
            SqlFault::OfStatement(number, fault) => (Some(number), *fault),
            fault => (None, fault),
        };
        let (error, why) = self.error_for(fault);
        self.failure = match error {
            CapabilityError::Busy | CapabilityError::Full => None,
            _ => Some(SqlFailure { number, why }),
        };
        match (error, number) {
            (CapabilityError::Other(words), Some(number)) => {
                CapabilityError::Other(format!("statement {number}: {words}"))
            }
            (error, _) => error,
        }
    }

    /// The interface's error for a fault of one statement, and what is wrong.
    fn error_for(&mut self, fault: SqlFault) -> (CapabilityError, String) {
        let words = printable(&self.place.without_paths(&fault.why()), 500);
        let error = match fault {
            SqlFault::Answer(error) | SqlFault::Refused(error, _) => error,
            SqlFault::UnexpectedRows(..) => CapabilityError::Other(words.clone()),
            SqlFault::Sqlite(error) => self.error_of_sqlite(&error),
            SqlFault::OfStatement(_, fault) => return self.error_for(*fault),
        };
        (error, words)
    }

    fn error_of_sqlite(&mut self, error: &rusqlite::Error) -> CapabilityError {
        // A guest must not learn a path, not even from an error's text.
        let words = printable(&self.place.without_paths(&error.to_string()), 500);
        if is_full(error) {
            return CapabilityError::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                self.was_busy = true;
                CapabilityError::Busy
            }
            Some(ErrorCode::OperationInterrupted | ErrorCode::TooBig | ErrorCode::OutOfMemory) => {
                CapabilityError::TooLarge
            }
            Some(ErrorCode::AuthorizationForStatementDenied) => CapabilityError::Denied,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                let open = self.open.as_ref().map(|open| open.identity);
                self.found_corrupt = open.or_else(|| self.place.identity());
                self.corruption = Some(words.clone());
                CapabilityError::Other(words)
            }
            // The text contains no statement.
            Some(ErrorCode::ApiMisuse) => CapabilityError::InvalidArgument,
            _ => match error {
                rusqlite::Error::MultipleStatement | rusqlite::Error::ExecuteReturnedResults => {
                    CapabilityError::InvalidArgument
                }
                _ => CapabilityError::Other(words),
            },
        }
    }
}

#[cfg(test)]
mod corpus;

#[cfg(any(test, fuzzing))]
#[path = "../../../../fuzz/src/sql_calls.rs"]
pub mod sql_calls;

#[cfg(test)]
mod tests;
