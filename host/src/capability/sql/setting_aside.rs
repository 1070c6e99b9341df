//! Moving a corrupt database out of the way, whole, for whoever wants to look at it.

use super::{Database, opening};
use cap_std::fs::OpenOptions;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::CWD;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long the second look waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(5);

/// What SQLite keeps beside a database.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Database {
    /// Moves the database that was found corrupt and its side files into `.image-cache/` and says where it is now. Where
    /// another thread or process did so first, or it proves sound at the second look, nothing is moved.
    pub fn set_aside(&mut self) -> io::Result<Option<PathBuf>> {
        let condemned = self.condemned.take();
        self.open = None;
        self.checked = false;
        let _one_at_a_time = self.lock()?;
        if condemned.is_none() || opening::identity(&self.path)? != condemned {
            return Ok(None);
        }
        if self.spared != condemned && is_sound(&self.path) {
            self.spared = condemned;
            return Ok(None);
        }
        let own = self.directory.path().join(".image-cache");
        let aside = own.join(aside_name(&self.path));
        // The database first: a process that opens a new one meanwhile throws away side files that have none.
        rename(&self.path, &aside)?;
        for ending in SIDE_FILES {
            rename(&with_ending(&self.path, ending), &with_ending(&aside, ending))?;
        }
        Ok(Some(aside))
    }

    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let file = self.directory.own_dir().open_with("database.lock", &options)?.into_std();
        // Another user may have made it, and it serves all the same.
        let _ = self.directory.adopt_owner(&file);
        file.lock()?;
        Ok(file)
    }
}

/// Whether SQLite finds no fault in it now. It says "malformed", too, where the disk failed to read a page once, and hits
/// are not thrown away for that.
fn is_sound(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let look = || {
        let connection = Connection::open_with_flags(path, flags)?;
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

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat(CWD, from, CWD, to) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn aside_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.corrupt-{}", crate::driver::timestamp(SystemTime::now()))
}
