//! Quarantine of a corrupt database: its files are moved away together, and kept for an administrator.

use super::Database;
use super::connection::connect;
use super::database_lock::lock_database_files;
use super::location::{Location, SIDE_FILES};
use super::place::Place;
use image_cache_store::names;
use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

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
        let now = image_cache_model::timestamp(SystemTime::now());
        let new_name = format!("{}.corrupt-{now}", location.name);
        // The database is first: a process that creates a new one meanwhile removes side files without a database.
        for ending in [""].into_iter().chain(SIDE_FILES) {
            let (from, to) = (format!("{}{ending}", location.name), format!("{new_name}{ending}"));
            let own = directory.own_dir();
            match rustix::fs::renameat(&location.directory, from, own, to) {
                Err(rustix::io::Errno::NOENT) => {}
                other => other?,
            }
        }
        Ok(Some(directory.path_of(names::OWN).join(new_name)))
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
