//! Identifies files, and checks that the directory is still at its path.

use super::dir::{Dir, found};
use super::{Directory, names};
use image_cache_model::{ImageId, LeftoverState};
use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, makedev, statx};
use rustix::io::Errno;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Identifies a file. A later file of the same name differs; a rename does not change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileIdentity {
    /// The device of its file system.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// When it was created.
    pub born: SystemTime,
}

impl Directory {
    /// The identity of the cached image's file.
    pub fn cached_identity(&self, id: &ImageId) -> io::Result<Option<FileIdentity>> {
        if self.is_database(id) {
            return Ok(None);
        }
        identity(&self.base, id)
    }

    /// The identity of the file that is being written, or that a dead writer left.
    pub fn incomplete_identity(&self, id: &ImageId) -> io::Result<Option<FileIdentity>> {
        identity(&self.incomplete, id)
    }

    /// Whether the image has a leftover in this state.
    pub fn has_leftover(&self, id: &ImageId, state: LeftoverState) -> io::Result<bool> {
        Ok(super::stat_regular(self.leftover_dir(state), id)?.is_some())
    }

    /// Returns an error if the directory at the cache's path, or `incomplete/` in it, is not the open one.
    pub fn check_in_place(&self) -> io::Result<()> {
        let here = |dir: &Dir| rustix::fs::fstat(dir).map(|stat| (stat.st_dev, stat.st_ino));
        // Only here an ambient path is used after opening; it opens no file.
        let base = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW)?;
        let incomplete =
            rustix::fs::statat(&self.base, names::INCOMPLETE, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_same = (base.st_dev, base.st_ino) == here(&self.base)?
            && (incomplete.st_dev, incomplete.st_ino) == here(&self.incomplete)?;
        is_same.then_some(()).ok_or_else(|| io::Error::other("another directory is at its path"))
    }
}

/// `None` if there is no regular file of this name, or if the system does not know when it was created.
fn identity(dir: &Dir, id: &ImageId) -> io::Result<Option<FileIdentity>> {
    let wanted = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::BTIME;
    let file = match statx(dir, id.as_str(), AtFlags::SYMLINK_NOFOLLOW, wanted) {
        Err(Errno::NOSYS) => return Ok(None),
        file => found(file)?,
    };
    let Some(file) = file else { return Ok(None) };
    let is_regular = FileType::from_raw_mode(file.stx_mode.into()) == FileType::RegularFile;
    let is_known = StatxFlags::from_bits_retain(file.stx_mask).contains(StatxFlags::BTIME);
    let born = file.stx_btime;
    let Ok(seconds) = u64::try_from(born.tv_sec) else { return Ok(None) };
    let born = UNIX_EPOCH.checked_add(Duration::new(seconds, born.tv_nsec));
    let Some(born) = born.filter(|_| is_regular && is_known) else { return Ok(None) };
    let device = makedev(file.stx_dev_major, file.stx_dev_minor);
    Ok(Some(FileIdentity { device, inode: file.stx_ino, born }))
}
