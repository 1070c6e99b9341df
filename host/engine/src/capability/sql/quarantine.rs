//! Moving a corrupt database out of the way, whole, for whoever wants to look at it.

use super::location::{Location, SIDE_FILES};
use super::{Database, opening};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use image_cache_store::Directory;
use rusqlite::ErrorCode;
use rustix::fs::OFlags;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How long the second look waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for who makes a database or sets one aside: as long as that may take, and a little more.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

impl Database {
    /// Moves the database that was found corrupt and its side files into `.image-cache/` and says where it is now. Where
    /// another thread or process did so first, or it proves sound at the second look, nothing is moved.
    pub fn set_aside(&mut self) -> io::Result<Option<PathBuf>> {
        let condemned = self.condemned.take();
        self.open = None;
        self.checked = false;
        let _one_at_a_time = lock(&self.directory)?;
        let location = Location::find(&self.directory, &self.below)?;
        if condemned.is_none() || location.identity()? != condemned {
            return Ok(None);
        }
        if self.spared != condemned && is_sound(&location) {
            self.spared = condemned;
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

/// Taken by whoever makes a database or sets one aside: side files have an owner then, or none.
pub(super) fn lock(directory: &Directory) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).follow(FollowSymlinks::No);
    // A pipe under its name is not waited for.
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = directory.own_dir().open_with("database.lock", &options)?.into_std();
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("database.lock is no regular file; remove it by hand"));
    }
    // Another user may have made it, and it serves all the same.
    let _ = directory.adopt_owner(&file);
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether SQLite finds no fault in it now. It says "malformed", too, where the disk failed to read a page once, and hits
/// are not thrown away for that.
fn is_sound(location: &Location) -> bool {
    let look = || {
        let connection = opening::connection(location)?;
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
