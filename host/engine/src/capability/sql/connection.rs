//! The connection to a driver's database: opened without following links, limited from the start.

use super::authorizer::DiskShare;
use super::database_lock::lock_database_files;
use super::fault::{SqlFault, is_busy, is_full};
use super::file_identity::FileIdentityCheck;
use super::interrupt::Interrupt;
use super::location::{DatabaseIdentity, Location, identity_below};
use super::prepared::{MAX_PREPARED, Prepared};
use super::{authorizer, vfs};
use crate::capability::error::CapabilityError;
use crate::capability::error::io_error;
use crate::driver::deadline::Deadline;
use image_cache_model::printable;
use image_cache_store::Directory;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use rusqlite::ffi::SQLITE_CANTOPEN;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Maximum wait for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Creating a database file closes a descriptor of it, which drops the POSIX locks of all other connections of this process on
/// the same file: so files are created and opened one at a time.
static OPENING: PerProcess<Mutex<()>> = PerProcess::new();

/// An open, limited connection. When it is dropped, it is closed and its locks are released.
#[derive(Debug)]
pub(super) struct OpenDatabase {
    pub connection: Connection,
    pub identity: DatabaseIdentity,
    /// Dropped after the connection, which opens files through its location's handle until it is closed. `None` in memory.
    identity_check: Option<FileIdentityCheck>,
    pub interrupt: Arc<Interrupt>,
    pub prepared: Prepared,
    busy_timeout: Duration,
    /// Whether no other connection can open the database: then it must be closed after the call.
    pub is_exclusive: bool,
}

/// Whether other connections may have the database open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locking {
    Shared,
    /// SQLite keeps the index of its log in memory, not in a file, because a full disk has no space for it.
    Exclusive,
}

impl OpenDatabase {
    /// Opens the database. If the disk is full, the connection is exclusive: it can read, and remove records whose images were
    /// deleted to free space.
    pub fn new(
        directory: &Directory,
        below: &Path,
        share: DiskShare,
        deadline: &Deadline,
    ) -> Result<Self, SqlFault> {
        let _one_at_a_time = lock(OPENING.get());
        let (location, identity) =
            find_or_make(directory, below).map_err(|error| opening_fault(below, &error))?;
        match OpenDatabase::on(&location, identity, share, deadline, Locking::Shared) {
            Err(SqlFault::Sqlite(error)) if is_full(&error) => {
                tracing::debug!(%error, "no space for SQLite's side files; opening the database for this process only");
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
        let identity_check = Some(FileIdentityCheck::new(location, identity));
        let interrupt = Interrupt::new(Some(location), share.log, deadline);
        let open = OpenDatabase::confined(connect(location)?, interrupt, share, locking)?;
        Ok(OpenDatabase { identity, identity_check, ..open })
    }

    /// An empty database in memory, which no other connection can open.
    pub fn in_memory(share: DiskShare, deadline: &Deadline) -> Result<Self, SqlFault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_in_memory_with_flags_and_vfs(flags, vfs()?)?;
        // A transaction copies each page that it changes: smaller pages make it faster. On a disk, larger ones are better.
        connection.pragma_update(None, "page_size", 512)?;
        let interrupt = Interrupt::new(None, share.log, deadline);
        OpenDatabase::confined(connection, interrupt, share, Locking::Shared)
    }

    /// A limited connection, without the identity of a file.
    fn confined(
        mut connection: Connection,
        interrupt: Interrupt,
        share: DiskShare,
        locking: Locking,
    ) -> Result<Self, SqlFault> {
        let interrupt = Arc::new(interrupt);
        let busy_timeout = BUSY_TIMEOUT.min(interrupt.deadline.remaining());
        connection.busy_timeout(busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(MAX_PREPARED + 1);
        authorizer::confine(&mut connection, &interrupt)?;
        interrupt.as_host(|| set_up(&mut connection, &interrupt, share, locking))?;
        let is_exclusive = locking == Locking::Exclusive;
        Ok(OpenDatabase {
            connection,
            identity: DatabaseIdentity::default(),
            identity_check: None,
            interrupt,
            prepared: Prepared::default(),
            busy_timeout,
            is_exclusive,
        })
    }

    /// Checks whether its file is still the one at this path.
    pub fn check_in_place(&mut self, dir: impl AsFd, below: &Path) -> bool {
        self.identity_check.as_mut().is_some_and(FileIdentityCheck::check)
            || identity_below(dir, below).ok().flatten() == Some(self.identity)
    }

    /// Sets how long to wait for other processes: at most as long as the call may take.
    pub fn set_busy_timeout(&mut self, remaining: Duration) {
        let busy_timeout = BUSY_TIMEOUT.min(remaining);
        if busy_timeout != self.busy_timeout && self.connection.busy_timeout(busy_timeout).is_ok() {
            self.busy_timeout = busy_timeout;
        }
    }
}

/// A connection to the existing file, and to SQLite's side files.
pub(super) fn connect(location: &Location) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    Connection::open_with_flags_and_vfs(location.path(), flags, vfs()?)
}

fn vfs() -> rusqlite::Result<&'static CStr> {
    let no_vfs =
        || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_CANTOPEN), None);
    vfs::registered().ok_or_else(no_vfs)
}

/// Creates the file if it is missing. An existing one is not opened here: closing it would drop SQLite's locks on it.
fn find_or_make(
    directory: &Directory,
    below: &Path,
) -> io::Result<(Arc<Location>, DatabaseIdentity)> {
    let location = Arc::new(Location::find(directory, below)?);
    if location.identity()?.is_none() {
        make(directory, &location)?;
    }
    location.check()?;
    let identity = location.identity()?.ok_or(io::ErrorKind::NotFound)?;
    Ok((location, identity))
}

/// Creates an empty file, unless another process does. Side files of a removed database are removed first: SQLite would use
/// them for the new one, and a process that has the old one open still writes to them.
fn make(directory: &Directory, location: &Location) -> io::Result<()> {
    let _one_at_a_time = lock_database_files(directory)?;
    if location.identity()?.is_some() {
        return Ok(());
    }
    location.remove_side_files()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(&location.directory, &location.name, flags, mode) {
        Ok(file) => directory.adopt_owner(&File::from(file)),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// With WAL several processes can read while one writes, and a hit does not wait for the disk: hits must survive a crash of the
/// process, not of the machine. Temporary tables stay in memory, where they are counted; temporary files would not be.
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
    authorizer::cap_pages(connection, interrupt, share)?;
    Ok(())
}

/// If another process or a full disk prevents the change, the database keeps its mode.
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
