//! The cache directory: only this module uses the [`names`] `incomplete/`, `invalid/`, `queue/` and `.image-cache/`.
//!
//! Every file is opened by the handle of a directory and a name of one checked component, so no access leaves the base directory.
//! [`image_lock`] documents what each lock protects.

mod active_fills;
mod deferred_close;
mod digest_files;
mod dir;
mod directory_lock;
mod external_writer;
mod file_identity;
mod image_lock;
mod incomplete_file;
mod leftovers;
mod opening;
mod owner;
mod pins;
mod quarantine;
mod queue;
mod reservation;
mod running;
mod safe_open;
mod scan;
mod small_files;
mod unlinked;
mod writer_lock;

pub use active_fills::ActiveFills;
pub use deferred_close::{CLOSE_BATCH, DeferredClose};
pub use digest_files::{FileKey, StagedDigests};
pub use dir::{Dir, DirEntry, Entries};
pub use directory_lock::OpenLock;
pub use external_writer::WriterState;
pub use file_identity::FileIdentity;
pub use incomplete_file::{Incomplete, PublishResult, TakeResult};
pub use opening::DirectoryFault;
pub use pins::{Pin, PinnedImage, Pins};
pub use running::{RunningDriver, RunningProcess};
pub use scan::{Scan, ScanShard};
pub use small_files::SmallFiles;
pub use unlinked::UnlinkedFile;

use dir::found;
pub use image_cache_model::names;
use image_cache_model::{ImageId, InvalidImageId, belongs_to_database, system_time, timestamp};
use rustix::fs::{AtFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use safe_open::{RateLimit, is_regular, open_to_read};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An open cache directory, shared with other processes.
///
/// [`open`](Self::open) creates what is missing. All other methods use handles, so the directory may be renamed while it is open.
/// A drop closes the handles but releases no lock: each lock has its own guard.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    base: Dir,
    incomplete: Dir,
    invalid: Dir,
    queue: Dir,
    own: Dir,
    blocks: Dir,
    /// The path of the sqlite driver's database. No image may have its name.
    database: Arc<str>,
    owner: owner::Owner,
    /// Whether it was no cache before.
    is_new: bool,
    /// Limits the warnings about digest files that are not regular files.
    digest_warnings: RateLimit,
    /// How long to wait for a lock of another process.
    lock_timeout: Duration,
    /// Whether the last wait for the directory's lock failed.
    lock_is_stuck: AtomicBool,
    /// What this process notes about itself.
    running: running::Running,
}

/// The size and times in a file's inode; the times are truncated to microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo {
    /// Bytes.
    pub size: u64,
    /// When its bytes last changed.
    pub modified: SystemTime,
    /// The access time, which the cache sets.
    pub accessed: SystemTime,
}

impl Directory {
    /// The absolute path of the base directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The handle of the base directory; it remains valid if the directory is renamed.
    pub fn base_dir(&self) -> &Dir {
        &self.base
    }

    /// The path of one of the [`names`] in it, or its own path if the name is empty.
    pub fn path_of(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }

    /// `.image-cache/`: the files that Glance's layout does not have.
    pub fn own_dir(&self) -> &Dir {
        &self.own
    }

    /// Checks an image id, which must not be the name of the configured database either.
    pub fn image_id(&self, id: &str) -> Result<ImageId, InvalidImageId> {
        if belongs_to_database(id, &self.database) {
            return Err(InvalidImageId::new(id, "the name is kept for the configured database"));
        }
        id.parse()
    }

    /// Opens a cached image for reading. Opening and reading do not change its access time if the system permits that.
    pub fn open_cached(&self, id: &ImageId) -> io::Result<Option<File>> {
        if self.is_database(id) {
            return Ok(None);
        }
        open_regular(&self.base, id)
    }

    /// When an entry was last added to the base directory or removed from it.
    pub fn modified(&self) -> io::Result<SystemTime> {
        let stat = rustix::fs::fstat(&self.base)?;
        Ok(time(stat.st_mtime, stat.st_mtime_nsec))
    }

    /// Size and times of a cached image.
    pub fn cached_file(&self, id: &ImageId) -> io::Result<Option<FileInfo>> {
        if self.is_database(id) {
            return Ok(None);
        }
        Ok(stat_regular(&self.base, id)?.map(|stat| FileInfo::new(&stat)))
    }

    /// Whether a file of the configured database has this name: a driver may take such a file for an image.
    fn is_database(&self, id: &ImageId) -> bool {
        belongs_to_database(id.as_str(), &self.database)
    }

    /// Sets the access time of a [cached file](Self::cached_file); false if there is none.
    pub fn set_accessed(&self, id: &ImageId, at: SystemTime) -> io::Result<bool> {
        let times = accessed_only(at);
        let done =
            rustix::fs::utimensat(&self.base, id.as_str(), &times, AtFlags::SYMLINK_NOFOLLOW);
        found(done).map(|done| done.is_some())
    }

    /// Sets the owner and mode of a file that this process created to those of the base directory, without execute permission.
    pub fn adopt_owner(&self, file: &File) -> io::Result<()> {
        self.owner.give_to_file(file)
    }
}

/// The regular files of a folder that have the name of an image, in any order.
fn image_files(directory: &Directory, folder: &Dir) -> io::Result<Vec<(ImageId, FileInfo)>> {
    let mut files = Vec::new();
    for entry in folder.entries()? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| directory.image_id(name).ok());
        if let Some(id) = id
            && let Some(info) = entry_info(&entry)?
        {
            files.push((id, info));
        }
    }
    Ok(files)
}

/// Size and times of a directory entry; `None` if it is not a regular file or was removed.
fn entry_info(entry: &DirEntry) -> io::Result<Option<FileInfo>> {
    if !entry.may_be_regular() {
        return Ok(None);
    }
    Ok(entry.stat()?.filter(is_regular).map(|stat| FileInfo::new(&stat)))
}

impl FileInfo {
    /// From a result of `stat(2)`.
    pub fn new(stat: &Stat) -> Self {
        FileInfo {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            accessed: time(stat.st_atime, stat.st_atime_nsec),
        }
    }

    /// Reads them from an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(FileInfo::new(&rustix::fs::fstat(file)?))
    }
}

/// Sets the access time of an open file.
pub fn set_file_accessed(file: &File, at: SystemTime) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &accessed_only(at))?)
}

/// Truncates a time to microseconds, the unit of the records, and clamps it to 1970 and the latest time of a record.
pub fn to_micros(time: SystemTime) -> SystemTime {
    system_time(timestamp(time))
}

fn time(seconds: i64, nanoseconds: u64) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    system_time(seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000))
}

fn timespec(time: SystemTime) -> Timespec {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timespec {
        tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: since.subsec_nanos().into(),
    }
}

fn accessed_only(at: SystemTime) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: timespec(at), last_modification: omit }
}

fn open_regular(dir: &Dir, id: &ImageId) -> io::Result<Option<File>> {
    open_to_read(dir, id.as_str())
}

fn stat_regular(dir: &Dir, id: &ImageId) -> io::Result<Option<Stat>> {
    Ok(stat_any(dir, id)?.filter(is_regular))
}

fn stat_any(dir: &Dir, id: &ImageId) -> io::Result<Option<Stat>> {
    dir.stat(id.as_str())
}

fn not_regular(id: &ImageId) -> io::Error {
    io::Error::other(format!("{id} in the cache directory is no regular file; move it away"))
}

fn remove_regular(dir: &Dir, id: &ImageId) -> io::Result<bool> {
    if stat_regular(dir, id)?.is_none() {
        return Ok(false);
    }
    unlink(dir, id.as_str())
}

/// Removes the entry with this name; false if there is none.
fn unlink(dir: &Dir, name: &str) -> io::Result<bool> {
    found(rustix::fs::unlinkat(dir, name, AtFlags::empty())).map(|done| done.is_some())
}

fn same_inode(dir: &Dir, id: &ImageId, file: &File) -> io::Result<bool> {
    let ours = rustix::fs::fstat(file)?;
    Ok(stat_regular(dir, id)?.is_some_and(|s| (s.st_dev, s.st_ino) == (ours.st_dev, ours.st_ino)))
}
