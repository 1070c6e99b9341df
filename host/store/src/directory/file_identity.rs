//! Which file is which, and whether the directory is still where it was opened.

use super::{Directory, names};
use cap_std::fs::{Dir, MetadataExt};
use image_cache_model::{ImageId, LeftoverState};
use rustix::fs::{AtFlags, CWD};
use std::io;
use std::time::SystemTime;

/// Identifies a file, also against a later one of the same name; it stays when the file is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// The device of its file system.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// When it was made.
    pub born: SystemTime,
}

impl Directory {
    /// Which file is the cached image.
    pub fn cached_identity(&self, id: &ImageId) -> io::Result<Option<FileIdentity>> {
        if self.is_database(id) {
            return Ok(None);
        }
        identity(&self.base, id)
    }

    /// Which file is being written, or was left by a dead writer.
    pub fn incomplete_identity(&self, id: &ImageId) -> io::Result<Option<FileIdentity>> {
        identity(&self.incomplete, id)
    }

    /// Whether the image has a leftover in this state.
    pub fn has_leftover(&self, id: &ImageId, state: LeftoverState) -> io::Result<bool> {
        Ok(super::stat_regular(self.leftover_dir(state), id)?.is_some())
    }

    /// An error if the directory at the cache's path, or `incomplete/` in it, is not the one that is open.
    pub fn check_in_place(&self) -> io::Result<()> {
        let here = |dir: &Dir| rustix::fs::fstat(dir).map(|stat| (stat.st_dev, stat.st_ino));
        // The only use of an ambient path: nothing is opened.
        let base = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW)?;
        let incomplete =
            rustix::fs::statat(&self.base, names::INCOMPLETE, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_same = (base.st_dev, base.st_ino) == here(&self.base)?
            && (incomplete.st_dev, incomplete.st_ino) == here(&self.incomplete)?;
        is_same.then_some(()).ok_or_else(|| io::Error::other("another directory has its place"))
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
