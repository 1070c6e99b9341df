//! Opening a driver's database: made like the cache's other files, never through a symbolic link, confined from the start.

use super::confinement::{self, Share};
use super::in_place::InPlace;
use super::prepared::Prepared;
use super::watch::Watch;
use super::{Error, Fault};
use crate::capability::io_error;
use crate::directory::Directory;
use crate::driver::{Deadline, printable};
use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMSIZE};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prepared statements of the guest that are kept; the host has one of its own beside them.
pub(super) const STATEMENTS: usize = 64;

/// Making a database file closes a descriptor of it, and that would drop the locks of any other connection of this
/// process on the same file: so files are made and opened one at a time.
static OPENING: Mutex<()> = Mutex::new(());

/// Device and inode: which file a connection has open.
pub(super) type Identity = (u64, u64);

/// An open, confined connection.
#[derive(Debug)]
pub(super) struct Open {
    pub connection: Connection,
    identity: Identity,
    in_place: InPlace,
    pub watch: Arc<Watch>,
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

impl Open {
    /// Where the disk is full, still one that can read, and forget what was deleted to make room.
    pub fn new(
        directory: &Directory,
        path: &Path,
        in_drivers: bool,
        share: Share,
        deadline: &Deadline,
    ) -> Result<Self, Fault> {
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = path.strip_prefix(directory.path()).unwrap_or(path);
        let identity = made(directory, path, in_drivers).map_err(|e| opening_fault(shown, &e))?;
        match Open::connect(path, identity, share, deadline, Locking::Shared) {
            Err(Fault::Sqlite(error)) if is_full(&error) => {
                tracing::debug!(%error, "no room beside the database: it is opened for this process alone");
                Open::connect(path, identity, share, deadline, Locking::Exclusive)
            }
            other => other,
        }
    }

    fn connect(
        path: &Path,
        identity: Identity,
        share: Share,
        deadline: &Deadline,
        locking: Locking,
    ) -> Result<Self, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        let watch = Arc::new(Watch::new(path, share.log, deadline));
        let patience = PATIENCE.min(deadline.remaining());
        connection.busy_timeout(patience)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS + 1);
        confinement::confine(&mut connection, &watch)?;
        set_up(&mut connection, &watch, share, locking)?;
        watch.set_ours(false);
        let is_exclusive = locking == Locking::Exclusive;
        let (prepared, in_place) = (Prepared::default(), InPlace::new(path, identity));
        Ok(Open { connection, identity, in_place, watch, prepared, patience, is_exclusive })
    }

    /// Whether it must not outlive the call: nobody else gets at the database meanwhile.
    pub fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether its file is still the one at this path.
    pub fn is_in_place(&mut self, dir: impl AsFd, below: &Path) -> bool {
        self.in_place.is_certain()
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

/// Which regular file is at `path`; nothing where none is.
pub(super) fn identity(path: &Path) -> io::Result<Option<Identity>> {
    identity_below(CWD, path)
}

/// The same, of a path below a directory: the shorter the path, the sooner it is found.
pub(super) fn identity_below(dir: impl AsFd, path: &Path) -> io::Result<Option<Identity>> {
    let stat = match rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other(
            "it is no regular file; move it away, or configure another database",
        ));
    }
    Ok(Some((stat.st_dev, stat.st_ino)))
}

/// Makes sure that the file is there. One that is there is not opened: closing it would drop SQLite's locks on it.
fn made(directory: &Directory, path: &Path, in_drivers: bool) -> io::Result<Identity> {
    if in_drivers {
        make_drivers_directory(directory, path)?;
    }
    if let Some(identity) = identity(path)? {
        return Ok(identity);
    }
    let new = File::options().write(true).create_new(true).mode(0o600).open(path);
    match new {
        Ok(file) => directory.adopt_owner(&file)?,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    identity(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Makes `.image-cache/drivers/` with the owner and mode of `.image-cache/` itself.
fn make_drivers_directory(directory: &Directory, path: &Path) -> io::Result<()> {
    let Some(drivers) = path.parent() else { return Ok(()) };
    match std::fs::DirBuilder::new().mode(0o700).create(drivers) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other?,
    }
    let (made, like) = (File::open(drivers)?, rustix::fs::fstat(directory.own_dir())?);
    if rustix::process::geteuid().is_root() {
        rustix::fs::fchown(
            &made,
            Some(Uid::from_raw(like.st_uid)),
            Some(Gid::from_raw(like.st_gid)),
        )?;
    }
    rustix::fs::fchmod(&made, Mode::from_raw_mode(like.st_mode & 0o777))?;
    Ok(())
}

/// Several processes read while one writes, and a hit is no wait for the disk: SPEC asks that hits outlive the process,
/// not the machine. What a statement keeps aside stays in memory, where it is counted: a temporary file would not be.
fn set_up(
    connection: &mut Connection,
    watch: &Arc<Watch>,
    share: Share,
    locking: Locking,
) -> Result<(), Fault> {
    if locking == Locking::Exclusive {
        connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    }
    set_journal_mode(connection, locking)?;
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
    )?;
    confinement::cap_pages(connection, watch, share)?;
    Ok(())
}

/// The mode that the database has serves, too, where another process or a full disk keeps it from being changed now.
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

/// Whether there is no room for the database or for what SQLite keeps beside it.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || [SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMMAP].contains(&error.extended_code)
    })
}

/// Whether another connection holds a lock that is wanted.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn opening_fault(path: &Path, error: &io::Error) -> Fault {
    let answer = match io_error(error) {
        Error::Other(_) | Error::NotFound | Error::Denied => {
            Error::Other(printable(&format!("cannot open {}: {error}", path.display()), 500))
        }
        other => other,
    };
    Fault::Answer(answer)
}
