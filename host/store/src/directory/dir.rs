//! A directory by its handle: all that the cache needs of it, as system calls on the handle and one name.
//!
//! A single component that is not a link cannot lead out of a directory, so no resolution of paths is needed. That is why the
//! callers check that a name is one component, and why [`Dir::open_dir`] follows no link.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A handle for names in the directory. It needs no permission to read the directory.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A handle for the directory itself.
const READABLE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory. It remains the same directory if that is renamed.
#[derive(Debug)]
pub struct Dir(OwnedFd);

/// The entries of a directory, in any order, without `.` and `..`.
pub struct Entries {
    stream: rustix::fs::Dir,
    folder: Arc<OwnedFd>,
}

/// An entry of a directory.
#[derive(Debug)]
pub struct DirEntry {
    folder: Arc<OwnedFd>,
    name: OsString,
    kind: FileType,
}

impl Dir {
    /// Opens the directory at a path of the process; follows links.
    pub fn open_path(path: &Path) -> io::Result<Dir> {
        Ok(Dir(rustix::fs::openat(CWD, path, HANDLE, Mode::empty())?))
    }

    /// Opens a directory in it, but no link.
    pub(super) fn open_dir(&self, name: &str) -> io::Result<Dir> {
        Ok(Dir(rustix::fs::openat(&self.0, name, HANDLE | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Creates a directory in it.
    pub(super) fn create_dir(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777))?)
    }

    /// Another handle of the same directory.
    pub fn try_clone(&self) -> io::Result<Dir> {
        Ok(Dir(self.0.try_clone()?))
    }

    /// The entry with this name, which may be a link; `None` if there is none.
    pub(super) fn stat(&self, name: &str) -> io::Result<Option<Stat>> {
        found(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Starts reading its entries.
    pub fn entries(&self) -> io::Result<Entries> {
        let stream = rustix::fs::Dir::new(self.readable()?)?;
        Ok(Entries { stream, folder: Arc::new(self.0.try_clone()?) })
    }

    /// Flushes its names to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.readable()?)?)
    }

    /// The same directory, opened to read or flush it, or to change its owner and mode: [`HANDLE`] permits none of that.
    pub(super) fn readable(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(&self.0, c".", READABLE, Mode::empty())?)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Dir {
    /// The descriptor must be one of a directory.
    fn from(directory: OwnedFd) -> Dir {
        Dir(directory)
    }
}

impl From<Dir> for OwnedFd {
    fn from(directory: Dir) -> OwnedFd {
        directory.0
    }
}

impl Iterator for Entries {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.stream.read()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            if is_listed(entry.file_name()) {
                return Some(Ok(DirEntry {
                    folder: Arc::clone(&self.folder),
                    name: OsStr::from_bytes(entry.file_name().to_bytes()).to_owned(),
                    kind: entry.file_type(),
                }));
            }
        }
    }
}

/// Every directory contains itself and its parent.
fn is_listed(name: &CStr) -> bool {
    !matches!(name.to_bytes(), b"." | b"..")
}

impl DirEntry {
    /// Its name.
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// Its size, times and kind; `None` if it was removed. A link is not followed.
    pub fn stat(&self) -> io::Result<Option<Stat>> {
        found(rustix::fs::statat(&*self.folder, &*self.name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Whether it can be a regular file: false if the directory says that it is not. Some file systems do not say.
    pub(super) fn may_be_regular(&self) -> bool {
        matches!(self.kind, FileType::RegularFile | FileType::Unknown)
    }
}

/// Turns "no such file" into `None`.
pub(super) fn found<T>(result: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_listed_without_the_directory_itself_and_links_are_not_followed() {
        let place = tempfile::tempdir().expect("a directory");
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("file"), "content").expect("a file");
        std::os::unix::fs::symlink(place.path(), path("link")).expect("a link");
        let dir = Dir::open_path(place.path()).expect("it is there");
        dir.create_dir("folder").expect("it is created");
        let mut found: Vec<_> = dir
            .entries()
            .expect("it can be read")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.file_name().to_owned(), entry.may_be_regular()))
            .collect();
        found.sort();
        let names = ["file", "folder", "link"].map(OsString::from);
        assert_eq!(found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
        // tmpfs and ext4 report the kinds.
        assert_eq!(
            found.iter().map(|(_, regular)| *regular).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(dir.open_dir("folder").is_ok() && dir.open_dir("link").is_err());
        assert!(dir.open_dir("file").is_err() && dir.open_dir("nothing").is_err());
        dir.sync().expect("it can be flushed");
        let stat = |name| dir.stat(name).expect("it can be asked");
        assert_eq!(stat("file").map(|stat| stat.st_size), Some(7));
        assert!(stat("nothing").is_none());
    }

    #[test]
    fn a_directory_without_read_permission_can_be_opened_and_used_by_name() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().expect("a directory");
        let inner = place.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder");
        std::fs::write(inner.join("file"), "content").expect("a file");
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o300)).expect("a mode");
        let dir = Dir::open_path(&inner).expect("it opens without reading");
        assert!(dir.stat("file").expect("it can be asked").is_some());
        // So that the temporary directory can be removed.
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    }
}
