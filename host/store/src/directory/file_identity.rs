//! Identifies files, and checks that the directory is still at its path.

use super::{Directory, names};
use cap_std::fs::{Dir, MetadataExt};
use image_cache_model::{ImageId, LeftoverState};
use rustix::fs::{AtFlags, CWD};
use std::io;
use std::time::SystemTime;

/// Identifies a file. A later file of the same name differs; a rename does not change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

fn identity(dir: &Dir, id: &ImageId) -> io::Result<Option<FileIdentity>> {
    let found = match dir.symlink_metadata(id.as_str()) {
        Ok(found) if found.is_file() => found,
        Ok(_) => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let Ok(born) = found.created() else { return Ok(None) };
    let (device, inode) = (found.dev(), found.ino());
    Ok(Some(FileIdentity { device, inode, born: born.into_std() }))
}
