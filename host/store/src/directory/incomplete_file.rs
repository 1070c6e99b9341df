//! One image being written: `incomplete/<id>` under an exclusive lock, published by `publish`, undone by `Drop`.

mod take;

use super::reservation::Reservation;
use super::{Directory, FileInfo, in_the_way, remove_regular, same_inode};
use cap_std::fs::Dir;
use image_cache_model::{Durability, ImageId};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

pub use take::TakeResult;

/// The file of a running fetch. Its exclusive lock says that the writer lives.
#[derive(Debug)]
pub struct Incomplete {
    directory: Arc<Directory>,
    image_id: ImageId,
    /// Shared with whoever reads it while it grows.
    file: Arc<File>,
    size: u64,
    /// Whether the file still lies in `incomplete/`, so that dropping has something to undo.
    pending: bool,
    /// Whether its bytes are good: if it is undone all the same, there is nothing to learn from it.
    verified: bool,
    /// What it has reserved of the cache and of the disk.
    reservation: Reservation,
}

/// The answer to the wish to publish one.
#[derive(Debug, PartialEq, Eq)]
pub enum PublishResult {
    /// It is published.
    Done,
    /// Somebody else put a file in its place meanwhile; that one stays.
    AlreadyCached,
}

impl Incomplete {
    /// Appends to the file.
    pub fn write_all(&mut self, block: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(block)?;
        self.size += block.len() as u64;
        Ok(())
    }

    /// Of which image.
    pub fn image_id(&self) -> &ImageId {
        &self.image_id
    }

    /// The open file, for its attributes and times, and for who reads it while it grows.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that may be written without asking.
    pub fn reserved(&self) -> u64 {
        self.reservation.reserved
    }

    /// Bytes that the file system no longer counts as free because of this file.
    pub fn allocated(&self) -> u64 {
        self.reservation.allocated.max(self.size)
    }

    /// Reserves `total` bytes and announces them to other processes; false if the file system cannot store that.
    pub fn announce_bytes(&mut self, total: u64) -> io::Result<bool> {
        self.reservation.announce_bytes(&self.file, total)
    }

    /// Announces to other processes that the image is counted. If the file system cannot store that, its bytes tell them.
    pub fn announce_image(&mut self) -> io::Result<()> {
        self.reservation.announce_image(&self.file)
    }

    /// Has the file system allocate blocks for `total` bytes, without changing the file's length; false if it cannot do that.
    pub fn allocate(&mut self, total: u64) -> io::Result<bool> {
        self.reservation.allocate(&self.file, self.size, total)
    }

    /// Flushes verified bytes to disk, where that is wanted, and answers what the inode then says.
    pub fn sync_to_disk(&mut self, durability: Durability) -> io::Result<FileInfo> {
        self.verified = true;
        self.reservation.release_unwritten(&self.file, self.size)?;
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

    /// Moves the file to its place among the cached images. Call with the directory locked.
    pub fn publish(mut self) -> io::Result<PublishResult> {
        let (from, to, id) =
            (&self.directory.incomplete, &self.directory.base, self.image_id.as_str());
        if !same_inode(from, &self.image_id, &self.file)? {
            self.pending = false;
            return Err(io::Error::other(format!(
                "somebody removed incomplete/{id} while it was written"
            )));
        }
        match move_in(from, to, id) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.directory.cached_file(&self.image_id)?.is_some() => {
                return Ok(PublishResult::AlreadyCached);
            }
            Err(Errno::EXIST) => return Err(in_the_way(&self.image_id)),
            Err(e) => return Err(e.into()),
        }
        self.pending = false;
        self.reservation.withdraw(&self.file, &self.image_id);
        // From now on it is a cached image, which only a reader's shared lock protects from eviction. Nobody waits for it:
        // between the two locks any process may have taken its own, and keep it.
        let _ = self.file.try_lock_shared();
        Ok(PublishResult::Done)
    }

    /// Removes the file: it held nothing worth a look.
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
        // Who read along may keep it open for a while, and with it the lock.
        let _ = self.file.unlock();
    }
}

impl Drop for Incomplete {
    /// A fetch that failed or broke off: the file goes to `invalid/`, for whoever wants to know why. One
    /// that was good, but that the cache could not publish, goes for good.
    fn drop(&mut self) {
        if !self.pending {
            return;
        }
        if self.verified {
            return self.remove();
        }
        // What fails here costs space until it is cleaned, no more.
        let _ = self.reservation.release_unwritten(&self.file, self.size);
        self.reservation.withdraw(&self.file, &self.image_id);
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
    /// Flushes the base directory to disk, so that what was published stays published.
    pub fn flush_to_disk(&self) -> io::Result<()> {
        // The handle that we hold only names the directory; flushing needs one that opens it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.base, ".", flags, Mode::empty())?;
        Ok(rustix::fs::fsync(opened)?)
    }
}

/// Moves a file to a name that nobody has. Where the file system cannot rename without replacing (NFS, 9p and some of FUSE
/// cannot), the file has both names for a moment; what is left of that after a kill is an incomplete file like others.
fn move_in(from: &Dir, to: &Dir, id: &str) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(from, id, to, id, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(from, id, to, id, AtFlags::empty())?;
            if let Err(error) = rustix::fs::unlinkat(from, id, AtFlags::empty()) {
                // It is published all the same.
                tracing::warn!(image = id, %error, "its name in incomplete/ remains until it is cleaned");
            }
            Ok(())
        }
        other => other,
    }
}
