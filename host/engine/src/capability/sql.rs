//! The capability `sql`: one database of the driver's own in the cache directory, over one long-lived connection.

mod confinement;
mod connection;
mod database_lock;
mod execute;
mod fault;
mod file_identity;
mod functions;
mod interrupt;
mod location;
mod memory;
mod prepared;
mod quarantine;
mod vfs;

use super::error::CapabilityError;
use crate::bindings::image_cache::driver::sql as wit;
use crate::driver::deadline::Deadline;
use confinement::DiskShare;
use connection::OpenDatabase;
use fault::{SqlFault, is_full, is_no_room};
use image_cache_model::printable;
use image_cache_store::Directory;
use location::{DatabaseIdentity, Location};
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use execute::{MAX_ROWS, MAX_STATEMENTS};

/// Which database is a driver's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabasePath {
    /// At this path below the base directory: the built-in sqlite driver's.
    InBase(PathBuf),
    /// This file of `.image-cache/drivers/`.
    OfDriver(String),
}

/// A driver's database, opened at first use.
#[derive(Debug)]
pub struct Database {
    directory: Arc<Directory>,
    /// Its path below the base directory.
    path: PathBuf,
    disk_share: DiskShare,
    deadline: Deadline,
    open: Option<OpenDatabase>,
    /// The file that was opened last: the one that the driver's instance was configured on.
    configured_on: Option<DatabaseIdentity>,
    /// Whether it was seen in this call that the connection's file is still the one at its path.
    file_checked: bool,
    /// The same, right before the call.
    file_checked_before_call: bool,
    /// What SQLite said in this call of a corrupt database.
    corruption: Option<String>,
    /// Whether another process's lock was in the way in this call.
    was_busy: bool,
    /// The file that was found corrupt, until it is set aside.
    found_corrupt: Option<DatabaseIdentity>,
    /// One that was found corrupt and proved sound at the second look; there is no third.
    found_sound: Option<DatabaseIdentity>,
}

impl Database {
    /// At most `max_bytes` are taken of the disk.
    pub fn new(
        directory: Arc<Directory>,
        path: &DatabasePath,
        max_bytes: u64,
        deadline: Deadline,
    ) -> Self {
        let (path, disk_share) = match path {
            DatabasePath::InBase(path) => (path.clone(), DiskShare::trusted(max_bytes)),
            DatabasePath::OfDriver(name) => {
                (Path::new(".image-cache/drivers").join(name), DiskShare::of(max_bytes))
            }
        };
        Database {
            directory,
            path,
            disk_share,
            deadline,
            open: None,
            configured_on: None,
            file_checked: false,
            file_checked_before_call: false,
            corruption: None,
            was_busy: false,
            found_corrupt: None,
            found_sound: None,
        }
    }

    /// Forgets what was seen during the last call.
    pub fn begin_call(&mut self) {
        self.file_checked = std::mem::take(&mut self.file_checked_before_call);
        self.corruption = None;
        self.was_busy = false;
    }

    /// Whether the file that the driver's instance was configured on is no longer the one at its path. It is forgotten then: an
    /// instance that is configured anew makes another one.
    pub fn close_if_replaced(&mut self) -> bool {
        let Some(known) = self.configured_on else { return false };
        let (base, path) = (self.directory.base_dir(), &self.path);
        let is_in_place = match &mut self.open {
            Some(open) => open.check_in_place(base, path),
            None => location::identity_below(base, path).ok().flatten() == Some(known),
        };
        self.file_checked_before_call = is_in_place;
        if !is_in_place {
            (self.open, self.configured_on) = (None, None);
        }
        !is_in_place
    }

    /// Lets others at a database that was opened for this call alone.
    pub fn end_call(&mut self) {
        self.open.take_if(|open| open.is_exclusive());
    }

    /// What the database takes of the disk now, with the log beside it.
    pub fn bytes_on_disk(&self) -> u64 {
        let place = Location::find(&self.directory, &self.path);
        place.map_or(0, |place| place.bytes_on_disk())
    }

    /// Whether another process's lock was in the way during this call.
    pub fn was_busy(&self) -> bool {
        self.was_busy
    }

    /// What SQLite said during this call, if it found the database corrupt or no database.
    pub fn corruption(&self) -> Option<&str> {
        self.corruption.as_deref()
    }

    pub fn execute(&mut self, statement: &wit::Statement) -> Result<u64, CapabilityError> {
        execute::check(statement)?;
        let result = self.open()?.execute(statement);
        result.map_err(|fault| self.answer(fault))
    }

    pub fn query(
        &mut self,
        statement: &wit::Statement,
    ) -> Result<wit::QueryResult, CapabilityError> {
        execute::check(statement)?;
        let result = self.open()?.query(statement);
        result.map_err(|fault| self.answer(fault))
    }

    pub fn execute_all(
        &mut self,
        statements: &[wit::Statement],
    ) -> Result<Vec<u64>, CapabilityError> {
        if statements.len() > MAX_STATEMENTS {
            return Err(CapabilityError::TooLarge);
        }
        statements.iter().try_for_each(execute::check)?;
        let result = self.open()?.execute_all(statements);
        result.map_err(|fault| self.answer(fault))
    }

    /// The connection, on the file that is at its path now.
    fn open(&mut self) -> Result<&mut OpenDatabase, CapabilityError> {
        if !self.file_checked {
            // Another process may have set the file aside; what was written into it would be lost.
            let (base, path) = (self.directory.base_dir(), &self.path);
            self.open.take_if(|open| !open.check_in_place(base, path));
            self.file_checked = true;
        }
        if self.open.is_none() {
            match OpenDatabase::new(&self.directory, &self.path, self.disk_share, &self.deadline) {
                Ok(open) => {
                    self.configured_on = Some(open.identity());
                    self.open = Some(open);
                }
                Err(fault) => return Err(self.answer(fault)),
            }
        }
        let open = self.open.as_mut().ok_or(CapabilityError::Busy)?;
        open.set_patience(self.deadline.remaining());
        Ok(open)
    }

    /// A fault in the interface's words; a corrupt database is remembered.
    fn answer(&mut self, fault: SqlFault) -> CapabilityError {
        let error = match fault {
            SqlFault::Answer(error) => return error,
            SqlFault::Sqlite(error) => error,
        };
        // A guest gets no path, not even in words.
        let base = self.directory.path().to_string_lossy();
        let words = location::without_handles(&error.to_string());
        let words = printable(&words.replace(&*base, "…"), 500);
        if is_full(&error) {
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
                self.found_corrupt = match &self.open {
                    Some(open) => Some(open.identity()),
                    None => {
                        let base = self.directory.base_dir();
                        location::identity_below(base, &self.path).ok().flatten()
                    }
                };
                self.corruption = Some(words.clone());
                CapabilityError::Other(words)
            }
            // The index of its log lies in a file beside it, for which there was no room.
            Some(ErrorCode::SystemIoFailure) if is_no_room(&error) => CapabilityError::Full,
            // A text without a statement in it.
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
