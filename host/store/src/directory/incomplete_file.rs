//! An image that is being written: `incomplete/<id>` under an exclusive lock, published by `publish`, undone by `Drop`.

mod take;

use super::dir::Dir;
use super::{Directory, FileInfo, not_regular, remove_regular, same_inode};
use crate::process::LockedDescriptor;
use image_cache_model::{Durability, ImageId};
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

pub use take::TakeResult;

/// The file of a running fetch, and the right to publish it. Its exclusive lock shows that the writer is alive.
///
/// A fill [takes](Self::take) it, writes to it, flushes the verified bytes with [`sync_to_disk`](Self::sync_to_disk), and
/// [publishes](Self::publish) it. A drop before that moves the file to `invalid/`, or removes it if it is verified. A crash
/// releases the lock, and the next writer replaces the file.
#[derive(Debug)]
pub struct Incomplete {
    directory: Arc<Directory>,
    image_id: ImageId,
    /// Dropped before the file.
    locked: LockedDescriptor,
    /// Shared with its followers.
    file: Arc<File>,
    size: u64,
    /// Whether the file is still in `incomplete/`, so that a drop must move or remove it.
    pending: bool,
    /// Whether its bytes are verified. A verified file that cannot be published is removed: it is useless for diagnosis.
    verified: bool,
    /// Bytes that may be written without another reservation.
    pub(super) reserved: u64,
    /// Bytes for which the file system has allocated blocks.
    pub(super) allocated: u64,
    /// Whether other processes can read the reserved bytes from the file.
    pub(super) announced_bytes: bool,
    /// Whether other processes can read from the file that its image is counted.
    pub(super) announced_image: bool,
}

/// The result of publishing.
#[derive(Debug, PartialEq, Eq)]
pub enum PublishResult {
    /// It is published.
    Done,
    /// Another process has already published a file of this name; that file stays.
    AlreadyCached,
}

impl Incomplete {
    /// Appends to the file.
    pub fn write_all(&mut self, block: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(block)?;
        self.size += block.len() as u64;
        Ok(())
    }

    /// The image that is being written.
    pub fn image_id(&self) -> &ImageId {
        &self.image_id
    }

    /// The open file, for its attributes and times, and for followers.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Marks the bytes as verified, flushes them to disk if `durability` requires it, and returns the file's size and times.
    pub fn sync_to_disk(&mut self, durability: Durability) -> io::Result<FileInfo> {
        self.verified = true;
        self.release_unwritten()?;
        if durability == Durability::Full {
            self.file.sync_all()?;
        }
        let info = FileInfo::of(&self.file)?;
        if info.size != self.size {
            let message =
                format!("{} bytes were written, but the file has {}", self.size, info.size);
            return Err(io::Error::other(message));
        }
        Ok(info)
    }

    /// Moves the file to the cached images. Call with the directory locked.
    pub fn publish(mut self) -> io::Result<PublishResult> {
        let (from, to, id) =
            (&self.directory.incomplete, &self.directory.base, self.image_id.as_str());
        if !same_inode(from, &self.image_id, &self.file)? {
            self.pending = false;
            return Err(io::Error::other(format!(
                "incomplete/{id} was removed while it was written"
            )));
        }
        match rename_no_replace(from, to, id) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.directory.cached_file(&self.image_id)?.is_some() => {
                return Ok(PublishResult::AlreadyCached);
            }
            Err(Errno::EXIST) => return Err(not_regular(&self.image_id)),
            Err(e) => return Err(e.into()),
        }
        self.pending = false;
        self.withdraw();
        // From now on it is a cached image, which only a reader's shared lock protects from eviction. This process does not wait
        // for the lock: another process may hold one.
        let _ = self.file.try_lock_shared();
        Ok(PublishResult::Done)
    }

    /// Removes the file instead of moving it to `invalid/`: it is useless for diagnosis.
    pub fn discard(mut self) {
        self.remove();
    }

    fn remove(&mut self) {
        if std::mem::take(&mut self.pending)
            && same_inode(&self.directory.incomplete, &self.image_id, &self.file).unwrap_or(false)
            && let Err(error) = remove_regular(&self.directory.incomplete, &self.image_id)
        {
            // `clean` removes it later; a new fetch replaces it at once.
            tracing::warn!(image = %self.image_id, %error, "cannot remove the incomplete file");
        }
        // A follower may keep the file open for a while, and the lock with it.
        let _ = self.file.unlock();
    }
}

impl Drop for Incomplete {
    /// The fetch failed or was aborted: moves the file to `invalid/`, where an operator can examine it. Removes a verified file,
    /// which the cache could not publish.
    fn drop(&mut self) {
        // A forked child must not undo the work of its parent.
        if !self.pending || self.locked.is_inherited() {
            return;
        }
        if self.verified {
            return self.remove();
        }
        // If this fails, the space stays allocated until the file is cleaned.
        let _ = self.release_unwritten();
        self.withdraw();
        let (from, to, id) =
            (&self.directory.incomplete, &self.directory.invalid, self.image_id.as_str());
        if same_inode(from, &self.image_id, &self.file).unwrap_or(false)
            && rustix::fs::renameat(from, id, to, id).is_ok()
        {
            self.pending = false;
        }
        self.remove();
    }
}

impl Directory {
    /// Flushes the base directory to disk, so that published images survive a power loss.
    pub fn flush_to_disk(&self) -> io::Result<()> {
        self.base.sync()
    }
}

/// Renames a file to a name that does not exist. If the file system cannot rename without replacing (NFS, 9p, some FUSE file
/// systems), the file briefly has both names; after a crash in between, the old name is an ordinary incomplete file.
fn rename_no_replace(from: &Dir, to: &Dir, id: &str) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(from, id, to, id, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(from, id, to, id, AtFlags::empty())?;
            if let Err(error) = rustix::fs::unlinkat(from, id, AtFlags::empty()) {
                // The image is published anyway.
                tracing::warn!(image = id, %error, "its name in incomplete/ remains until the cache is cleaned");
            }
            Ok(())
        }
        other => other,
    }
}
