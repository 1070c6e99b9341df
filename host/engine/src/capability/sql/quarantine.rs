//! Moving a corrupt database out of the way, whole, for whoever wants to look at it.

use super::Database;
use super::connection::connect;
use super::database_lock::lock_database_files;
use super::location::{Location, SIDE_FILES};
use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How long the second look waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(5);

impl Database {
    /// Moves the database that was found corrupt and its side files into `.image-cache/` and says where it is now. Where
    /// another thread or process did so first, or it proves sound at the second look, nothing is moved.
    pub fn quarantine(&mut self) -> io::Result<Option<PathBuf>> {
        let found_corrupt = self.found_corrupt.take();
        self.open = None;
        self.file_checked = false;
        let _one_at_a_time = lock_database_files(&self.directory)?;
        let location = Location::find(&self.directory, &self.path)?;
        if found_corrupt.is_none() || location.identity()? != found_corrupt {
            return Ok(None);
        }
        if self.found_sound != found_corrupt && is_sound(&location) {
            self.found_sound = found_corrupt;
            return Ok(None);
        }
        let aside = aside_name(location.name());
        // The database first: a process that opens a new one meanwhile throws away side files that have none.
        for ending in [""].into_iter().chain(SIDE_FILES) {
            let (from, to) = (format!("{}{ending}", location.name()), format!("{aside}{ending}"));
            let own = self.directory.own_dir();
            match rustix::fs::renameat(location.directory(), from, own, to) {
                Err(rustix::io::Errno::NOENT) => {}
                other => other?,
            }
        }
        Ok(Some(self.directory.path().join(".image-cache").join(aside)))
    }
}

/// Whether SQLite finds no fault in it now. It says "malformed", too, if the disk failed to read a page once, and hits
/// are not thrown away for that.
fn is_sound(location: &Location) -> bool {
    let look = || {
        let connection = connect(location)?;
        connection.busy_timeout(PATIENCE)?;
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
    };
    match look() {
        Ok(words) => words == "ok",
        Err(error) => !matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
    }
}

fn aside_name(name: &str) -> String {
    format!("{name}.corrupt-{}", image_cache_model::timestamp(SystemTime::now()))
}
