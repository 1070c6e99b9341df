//! Opening a driver's database: made like the cache's other files, never through a symbolic link, confined from the start.

use super::confinement::DiskShare;
use super::database_lock::lock_database_files;
use super::fault::{SqlFault, is_busy, is_full};
use super::file_identity::FileIdentityCheck;
use super::interrupt::Interrupt;
use super::location::{DatabaseIdentity, Location, identity_below};
use super::prepared::{MAX_PREPARED, Prepared};
use super::{confinement, vfs};
use crate::capability::error::CapabilityError;
use crate::capability::error::io_error;
use crate::driver::deadline::Deadline;
use image_cache_model::printable;
use image_cache_store::Directory;
use rusqlite::ffi::SQLITE_CANTOPEN;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(1);

/// Making a database file closes a descriptor of it, and that would drop the locks of any other connection of this
/// process on the same file: so files are made and opened one at a time.
static OPENING: Mutex<()> = Mutex::new(());

/// An open, confined connection.
#[derive(Debug)]
pub(super) struct OpenDatabase {
    pub connection: Connection,
    /// Behind the connection, which opens files by it until it is closed.
    _location: Arc<Location>,
    identity: DatabaseIdentity,
    identity_check: FileIdentityCheck,
    pub interrupt: Arc<Interrupt>,
    pub prepared: Prepared,
    patience: Duration,
    /// Whether it keeps everybody else out while it is there.
    is_exclusive: bool,
}

/// Whether others may have the database open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locking {
    Shared,
    /// SQLite's index of its log is then in memory, not in a file, for which a full disk has no room.
    Exclusive,
}

impl OpenDatabase {
    /// If the disk is full, still one that can read, and forget what was deleted to make room.
    pub fn new(
        directory: &Directory,
        below: &Path,
        share: DiskShare,
        deadline: &Deadline,
    ) -> Result<Self, SqlFault> {
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let (location, identity) =
            made(directory, below).map_err(|error| opening_fault(below, &error))?;
        match OpenDatabase::on(&location, identity, share, deadline, Locking::Shared) {
            Err(SqlFault::Sqlite(error)) if is_full(&error) => {
                tracing::debug!(%error, "no room beside the database: it is opened for this process alone");
                OpenDatabase::on(&location, identity, share, deadline, Locking::Exclusive)
            }
            other => other,
        }
    }

    fn on(
        location: &Arc<Location>,
        identity: DatabaseIdentity,
        share: DiskShare,
        deadline: &Deadline,
        locking: Locking,
    ) -> Result<Self, SqlFault> {
        let mut connection = connect(location)?;
        let interrupt = Arc::new(Interrupt::new(location, share.log, deadline));
        let patience = PATIENCE.min(deadline.remaining());
        connection.busy_timeout(patience)?;
        connection.set_prepared_statement_cache_capacity(MAX_PREPARED + 1);
        confinement::confine(&mut connection, &interrupt)?;
        set_up(&mut connection, &interrupt, share, locking)?;
        interrupt.set_host_statement(false);
        let is_exclusive = locking == Locking::Exclusive;
        let (prepared, identity_check) =
            (Prepared::default(), FileIdentityCheck::new(location, identity));
        let _location = Arc::clone(location);
        Ok(OpenDatabase {
            connection,
            _location,
            identity,
            identity_check,
            interrupt,
            prepared,
            patience,
            is_exclusive,
        })
    }

    /// Whether it must not outlive the call: nobody else gets at the database meanwhile.
    pub fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    pub fn identity(&self) -> DatabaseIdentity {
        self.identity
    }

    /// Whether its file is still the one at this path.
    pub fn check_in_place(&mut self, dir: impl AsFd, below: &Path) -> bool {
        self.identity_check.check()
            || identity_below(dir, below).ok().flatten() == Some(self.identity)
    }

    /// Waits for other processes no longer than the call may take.
    pub fn set_patience(&mut self, remaining: Duration) {
        let patience = PATIENCE.min(remaining);
        if patience != self.patience && self.connection.busy_timeout(patience).is_ok() {
            self.patience = patience;
        }
    }
}

/// A connection to the file that is there, and to what SQLite keeps beside it.
pub(super) fn connect(location: &Location) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let no_vfs =
        || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_CANTOPEN), None);
    let vfs = vfs::registered().ok_or_else(no_vfs)?;
    Connection::open_with_flags_and_vfs(location.path(), flags, vfs)
}

/// Makes sure that the file is there. One that is there is not opened: closing it would drop SQLite's locks on it.
fn made(directory: &Directory, below: &Path) -> io::Result<(Arc<Location>, DatabaseIdentity)> {
    let location = Arc::new(Location::find(directory, below)?);
    if location.identity()?.is_none() {
        make(directory, &location)?;
    }
    location.check()?;
    let identity = location.identity()?.ok_or(io::ErrorKind::NotFound)?;
    Ok((location, identity))
}

/// Makes an empty file, unless somebody else does. Side files that are left of a database which was removed would be taken for those of
/// the new one, and whoever has the old one open still writes to them.
fn make(directory: &Directory, location: &Location) -> io::Result<()> {
    let _one_at_a_time = lock_database_files(directory)?;
    if location.identity()?.is_some() {
        return Ok(());
    }
    location.remove_side_files()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(location.directory(), location.name(), flags, mode) {
        Ok(file) => directory.adopt_owner(&File::from(file)),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Several processes read while one writes, and a hit is no wait for the disk: SPEC asks that hits outlive the process,
/// not the machine. What a statement keeps aside stays in memory, where it is counted: a temporary file would not be.
fn set_up(
    connection: &mut Connection,
    interrupt: &Arc<Interrupt>,
    share: DiskShare,
    locking: Locking,
) -> Result<(), SqlFault> {
    if locking == Locking::Exclusive {
        connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    }
    set_journal_mode(connection, locking)?;
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
    )?;
    confinement::cap_pages(connection, interrupt, share)?;
    Ok(())
}

/// The mode that the database has serves, too, if another process or a full disk keeps it from being changed now.
fn set_journal_mode(connection: &Connection, locking: Locking) -> rusqlite::Result<()> {
    let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
    match mode {
        Ok(mode) if mode.eq_ignore_ascii_case("wal") => Ok(()),
        Ok(mode) => {
            tracing::debug!(%mode, "the database keeps its journal mode");
            Ok(())
        }
        Err(error) if is_busy(&error) || (locking == Locking::Exclusive && is_full(&error)) => {
            tracing::debug!(%error, "the database keeps its journal mode for now");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn opening_fault(path: &Path, error: &io::Error) -> SqlFault {
    let answer = match io_error(error) {
        CapabilityError::Other(_) | CapabilityError::NotFound | CapabilityError::Denied => {
            CapabilityError::Other(printable(
                &format!("cannot open {}: {error}", path.display()),
                500,
            ))
        }
        other => other,
    };
    SqlFault::Answer(answer)
}
