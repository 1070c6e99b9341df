//! Opens the base directory and creates what is missing in it.

use super::dir::Dir;
use super::directory_lock::LOCK_TIMEOUT;
use super::owner::Owner;
use super::running::Running;
use super::safe_open::RateLimit;
use super::{Directory, names};
use crate::process::watch_forks;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Why a cache directory could not be opened.
#[derive(Debug)]
pub struct DirectoryFault {
    /// The directory or file.
    pub path: PathBuf,
    /// The error of the system.
    pub source: io::Error,
}

/// File systems on which locks, renames and syncs were tested: `statfs(2)`'s magic numbers.
const SUPPORTED: [(&str, u64); 4] =
    [("ext4", 0xEF53), ("xfs", 0x5846_5342), ("btrfs", 0x9123_683E), ("tmpfs", 0x0102_1994)];

impl Directory {
    /// Opens the directory at `path`, an ambient path; creates it and its subdirectories if they are missing.
    pub fn open(path: &Path, database: &Path) -> Result<Directory, DirectoryFault> {
        watch_forks();
        let fault = |source| DirectoryFault { path: path.to_owned(), source };
        if !path.exists() {
            make_base(path).map_err(fault)?;
        }
        let base = Dir::open_path(path).map_err(fault)?;
        let path = path.canonicalize().map_err(fault)?;
        let stat = rustix::fs::fstat(&base).map_err(|e| fault(e.into()))?;
        let owner = Owner::of(&stat);
        let made = |name: &str| {
            let made = folder(&base, Path::new(name), owner);
            made.map_err(|source| DirectoryFault { path: path.join(name), source })
        };
        // A directory with a queue is the cache of Glance.
        let is_missing = |name| base.stat(name).map_err(fault).map(|found| found.is_none());
        let is_new = is_missing(names::OWN)? && is_missing(names::QUEUE)?;
        let (incomplete, invalid) = (made(names::INCOMPLETE)?, made(names::INVALID)?);
        let (queue, own) = (made(names::QUEUE)?, made(names::OWN)?);
        let blocks = made(names::BLOCKS)?;
        folder_of(&base, database, owner)
            .map_err(|source| DirectoryFault { path: path.join(database), source })?;
        let database = database.to_str().unwrap_or(names::DATABASE).into();
        let directory = Directory {
            path,
            base,
            incomplete,
            invalid,
            queue,
            own,
            blocks,
            database,
            owner,
            is_new,
            digest_warnings: RateLimit::default(),
            lock_timeout: LOCK_TIMEOUT,
            lock_is_stuck: AtomicBool::new(false),
            running: Running::default(),
        };
        directory.check_writable()?;
        // If that fails, only the queue's order may be wrong.
        if let Err(error) = directory.advance_queue_clock() {
            tracing::warn!(%error, "the order of the queue could not be recorded");
        }
        Ok(directory)
    }

    /// Whether the directory was no cache before it was opened: files in it belong to somebody who may not know that the cache
    /// can evict them.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Detects a cache directory without write permission before the first image.
    fn check_writable(&self) -> Result<(), DirectoryFault> {
        for (dir, name) in [
            (&self.base, ""),
            (&self.incomplete, names::INCOMPLETE),
            (&self.invalid, names::INVALID),
            (&self.queue, names::QUEUE),
        ] {
            let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
            rustix::fs::accessat(dir, ".", access, rustix::fs::AtFlags::EACCESS)
                .map_err(|e| DirectoryFault { path: self.path_of(name), source: e.into() })?;
        }
        Ok(())
    }

    /// The parent folder of this path below the base directory. Follows no link; creates missing folders.
    pub fn folder_of(&self, below: &Path) -> io::Result<Dir> {
        folder_of(&self.base, below, self.owner)
    }

    /// A warning if the file system was not tested.
    pub fn file_system_warning(&self) -> Option<String> {
        let kind = rustix::fs::fstatfs(&self.base).ok()?.f_type.cast_unsigned();
        if SUPPORTED.iter().any(|(_, magic)| *magic == kind) {
            return None;
        }
        let names: Vec<&str> = SUPPORTED.iter().map(|(name, _)| *name).collect();
        Some(format!(
            "{} is on a file system (type {kind:#x}) on which locks may not work: use {}, or let only one process at a time use the cache",
            self.path.display(),
            names.join(", ")
        ))
    }
}

/// Creates the base directory and its missing parents, and flushes their entries: otherwise a power loss could remove it with all
/// its cached images.
fn make_base(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o750).create(path)?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new("."));
        // A directory that this process may not read cannot be flushed. The cache works anyway.
        if let Err(error) = File::open(above).and_then(|above| above.sync_all()) {
            let above = above.display();
            tracing::warn!(%error, "{above} cannot be flushed: a power loss could lose the new cache directory");
        }
    }
    Ok(())
}

/// The parent folder of this path below the base directory. Follows no link; creates missing folders.
fn folder_of(base: &Dir, below: &Path, owner: Owner) -> io::Result<Dir> {
    folder(base, below.parent().unwrap_or(Path::new("")), owner)
}

/// The folder at this path below the base directory. Follows no link; creates missing folders.
fn folder(base: &Dir, path: &Path, owner: Owner) -> io::Result<Dir> {
    let mut dir = base.try_clone()?;
    for folder in path {
        let name = folder.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        dir = make(&dir, name, owner)?;
    }
    Ok(dir)
}

/// Opens a directory, but no link; creates it if it is missing.
pub(super) fn make(base: &Dir, name: &str, owner: Owner) -> io::Result<Dir> {
    match base.create_dir(name) {
        Ok(()) => {
            let dir = base.open_dir(name)?;
            owner.give_to_directory(&dir)?;
            Ok(dir)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => base.open_dir(name),
        Err(e) => Err(e),
    }
}
