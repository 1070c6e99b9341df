//! Opens files below a directory's handle: one checked name, no link followed, regular files only, without blocking.
//!
//! The owner of the cache directory can put anything there, and root may open it. Therefore no file below it is opened by a path,
//! a file is checked through its open handle, only new files are written, and only files that this process created get another
//! owner and mode.

use super::dir::Dir;
use crate::sync::lock;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// No link is followed, opening does not block, no terminal becomes the controlling one, and no child inherits the handle.
const SAFE_FLAGS: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The prefix of the name of a file that is being written in a folder of small files.
pub(super) const NEW: &str = ".new-";

/// At most one warning of each kind is logged per interval.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Opens a regular file for reading; `None` if there is none of this name. Opening and reading do not change its access time if
/// the system permits that.
pub(super) fn open_to_read(dir: &Dir, name: &str) -> io::Result<Option<File>> {
    match open(dir, name, OFlags::RDONLY | OFlags::NOATIME) {
        // Only the file's owner may use `O_NOATIME`.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => open(dir, name, OFlags::RDONLY),
        other => other,
    }
}

/// Opens a regular file for reading and writing; `None` if there is none of this name.
pub(super) fn open_to_write(dir: &Dir, name: &str) -> io::Result<Option<File>> {
    open(dir, name, OFlags::RDWR)
}

/// One system call: a single component that is not a link cannot lead out of the directory.
fn open(dir: &Dir, name: &str, flags: OFlags) -> io::Result<Option<File>> {
    match rustix::fs::openat(dir, name, flags | SAFE_FLAGS, Mode::empty()) {
        Ok(file) => Ok(is_regular(&rustix::fs::fstat(&file)?).then(|| file.into())),
        // Not a regular file: missing, a symbolic link, a socket or a device without a driver.
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
        // The cause may be a directory opened for writing, or a device that this process may not open.
        Err(_) if is_other(dir, name) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Creates a file with this mode minus the process's umask; an error if the name exists.
pub(super) fn create_new(dir: &Dir, name: &str, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | SAFE_FLAGS;
    Ok(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode))?.into())
}

/// The bytes of a file; `None` if there are more than `most`.
pub(super) fn read_whole(file: File, most: u64) -> io::Result<Option<Vec<u8>>> {
    let len = rustix::fs::fstat(&file)?.st_size.cast_unsigned();
    if len > most {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Whether an entry with this name exists and is not a regular file.
pub(super) fn is_other(dir: &Dir, name: &str) -> bool {
    dir.stat(name).is_ok_and(|found| found.is_some_and(|found| !is_regular(&found)))
}

pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// A random part of a temporary file name, so that an attacker cannot predict the name and create the file first.
pub(super) fn random_suffix() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// Limits one kind of log message to one per minute.
#[derive(Debug, Default)]
pub(super) struct RateLimit(Mutex<Option<Instant>>);

impl RateLimit {
    /// Whether a message may be logged now; false if one was logged less than a minute ago.
    pub fn try_acquire(&self) -> bool {
        let mut last = lock(&self.0);
        let is_due = last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, mknodat};
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_regular_file_is_opened_and_nothing_blocks() {
        let place = tempfile::tempdir().expect("a directory");
        let dir = Dir::open_path(place.path()).expect("it is there");
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("file"), "content").expect("a file");
        std::fs::create_dir(path("folder")).expect("a folder");
        symlink(path("file"), path("link")).expect("a link");
        symlink("nowhere", path("dangling")).expect("a link");
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        mknodat(CWD, path("socket"), FileType::Socket, Mode::RWXU, 0).expect("a socket");
        for name in ["folder", "link", "dangling", "pipe", "socket", "nothing"] {
            assert!(open_to_read(&dir, name).expect(name).is_none(), "{name}");
            assert!(open_to_write(&dir, name).expect(name).is_none(), "{name}");
            assert_eq!(is_other(&dir, name), name != "nothing");
            assert!(name == "nothing" || create_new(&dir, name, 0o600).is_err(), "{name}");
        }
        let file = open_to_read(&dir, "file").expect("it opens").expect("it is there");
        assert_eq!(read_whole(file, 7).expect("it can be read"), Some(b"content".to_vec()));
        let file = open_to_write(&dir, "file").expect("it opens").expect("it is there");
        assert_eq!(read_whole(file, 6).expect("it can be read"), None, "above the limit");
    }

    #[test]
    fn a_kind_of_message_is_logged_once_a_minute() {
        let limit = RateLimit::default();
        assert!(limit.try_acquire() && !limit.try_acquire());
    }
}
