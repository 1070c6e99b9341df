//! Quarantine of a corrupt database: its files are moved away together, and kept for an administrator.

use super::Database;
use super::connection::connect;
use super::database_lock::lock_database_files;
use super::location::Location;
use super::place::Place;
use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long the second check waits for another process's transaction.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

impl Database {
    /// Moves the corrupt database and its side files into `.image-cache/`, and returns its new path. If another
    /// thread or process did so first, or the second check finds no fault, nothing is moved.
    pub fn quarantine(&mut self) -> io::Result<Option<PathBuf>> {
        let found_corrupt = self.found_corrupt.take();
        self.open = None;
        self.file_checked = false;
        let Place::File { directory, path } = &self.place else { return Ok(None) };
        let _one_at_a_time = lock_database_files(directory)?;
        let location = Location::find(directory, path)?;
        if found_corrupt.is_none() || location.identity()? != found_corrupt {
            return Ok(None);
        }
        if self.found_sound != found_corrupt && is_sound(&location) {
            self.found_sound = found_corrupt;
            return Ok(None);
        }
        location.move_into_own(directory, "corrupt").map(Some)
    }
}

/// Whether SQLite now finds no fault in it. SQLite also reports "malformed" if the disk failed to read a page once, and this
/// is no reason to drop the records.
fn is_sound(location: &Location) -> bool {
    let check = || {
        let connection = connect(location)?;
        connection.busy_timeout(CHECK_TIMEOUT)?;
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
    };
    match check() {
        Ok(words) => words == "ok",
        Err(error) => !matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
    }
}
