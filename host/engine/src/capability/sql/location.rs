//! Where a database is: a handle of its directory, and its name in it.

use super::vfs;
use image_cache_store::{Directory, names};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// SQLite's side files of a database.
pub(super) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Device and inode of the file that a connection has open.
pub(super) type DatabaseIdentity = (u64, u64);

/// The location of a database, which stays the same even if its path changes.
#[derive(Debug)]
pub(super) struct Location {
    pub directory: OwnedFd,
    /// The database's name in the directory.
    pub name: String,
    /// The name of its write-ahead log.
    log: String,
}

impl Location {
    /// The location of a path below the base directory. Creates missing directories on the way.
    pub fn find(directory: &Directory, below: &Path) -> io::Result<Location> {
        let name = below.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
        Ok(Location::of(directory.folder_of(below)?.into(), name))
    }

    fn of(directory: OwnedFd, name: &str) -> Location {
        Location { directory, name: name.into(), log: format!("{name}-wal") }
    }

    /// A path for SQLite, valid while this location exists.
    pub fn path(&self) -> PathBuf {
        let directory = self.directory.as_raw_fd();
        format!("{}{directory}/{}", vfs::PREFIX, self.name).into()
    }

    /// The identity of the regular file at this location; `None` if there is none.
    pub fn identity(&self) -> io::Result<Option<DatabaseIdentity>> {
        identity_below(&self.directory, Path::new(&self.name))
    }

    /// Whether the database's file has no bytes. SQLite writes its first page when it sets the journal mode.
    pub fn is_empty(&self) -> bool {
        let file = stat(&self.directory, Path::new(&self.name)).ok().flatten();
        file.is_some_and(|file| file.st_size == 0)
    }

    /// Bytes of the write-ahead log.
    pub fn log_bytes(&self) -> u64 {
        self.bytes(&self.log)
    }

    /// The disk space of the database and its log, in bytes.
    pub fn bytes_on_disk(&self) -> u64 {
        self.bytes(&self.name) + self.log_bytes()
    }

    /// Reports which of the database's files SQLite could not open: SQLite's own messages name none.
    pub fn check(&self) -> io::Result<()> {
        for ending in [""].into_iter().chain(SIDE_FILES) {
            let name = format!("{}{ending}", self.name);
            let found = stat(&self.directory, Path::new(&name))?;
            let fault = found.and_then(|file| vfs::fault(self.directory.as_fd(), &file));
            if let Some(fault) = fault {
                return Err(io::Error::other(format!("{name}: {fault}")));
            }
        }
        Ok(())
    }

    /// Removes everything that has the names of the side files, except directories.
    pub fn remove_side_files(&self) -> io::Result<()> {
        for ending in SIDE_FILES {
            let name = format!("{}{ending}", self.name);
            match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Moves the database and its side files into `.image-cache/`, as `NAME.WHY-TIME`, and returns the new path. Call it with the
    /// database files locked.
    pub fn move_into_own(&self, directory: &Directory, why: &str) -> io::Result<PathBuf> {
        let now = image_cache_model::timestamp(SystemTime::now());
        let new_name = format!("{}.{why}-{now}", self.name);
        // The database is first: a process that creates a new one meanwhile removes side files without a database.
        for ending in [""].into_iter().chain(SIDE_FILES) {
            let (from, to) = (format!("{}{ending}", self.name), format!("{new_name}{ending}"));
            match rustix::fs::renameat(&self.directory, from, directory.own_dir(), to) {
                Err(Errno::NOENT) => {}
                other => other?,
            }
        }
        Ok(directory.path_of(names::OWN).join(new_name))
    }

    fn bytes(&self, name: &str) -> u64 {
        let found = stat(&self.directory, Path::new(name)).ok().flatten();
        found.map_or(0, |file| u64::try_from(file.st_size).unwrap_or(0))
    }
}

/// The identity of the regular file at a path below a directory; a shorter path is faster.
pub(super) fn identity_below(
    directory: impl AsFd,
    path: &Path,
) -> io::Result<Option<DatabaseIdentity>> {
    let Some(file) = stat(directory, path)? else { return Ok(None) };
    if FileType::from_raw_mode(file.st_mode) != FileType::RegularFile {
        return Err(io::Error::other(
            "it is no regular file; move it away, or configure another database",
        ));
    }
    Ok(Some((file.st_dev, file.st_ino)))
}

fn stat(directory: impl AsFd, path: &Path) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(directory, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// A message of SQLite without the handles with which its paths begin.
pub(super) fn without_handles(message: &str) -> String {
    let mut parts = message.split(vfs::PREFIX);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('/')
    })
}

#[cfg(test)]
impl Location {
    /// The location of a file in a test's directory.
    pub fn at(path: &Path) -> Location {
        let directory = std::fs::File::open(path.parent().expect("a directory")).expect("it opens");
        Location::of(directory.into(), &path.file_name().expect("a name").to_string_lossy())
    }
}
