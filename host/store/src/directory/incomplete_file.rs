//! One image being written: `incomplete/<id>` under an exclusive lock, published by `publish`, undone by `Drop`.

use super::beneath::create_new;
use super::reservation::Reservation;
use super::{
    Directory, FileInfo, is_regular, lock_alone, open_regular, remove_regular, same_inode, stat_any,
};
use cap_std::fs::Dir;
use image_cache_model::{Durability, ImageId};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// Whoever only looks whether a writer lives holds the lock for a moment: so often we ask again.
const ATTEMPTS: u32 = 8;

/// The file of a running fetch. Its exclusive lock says that the writer lives.
#[derive(Debug)]
pub struct Incomplete {
    directory: Arc<Directory>,
    pub(super) image_id: ImageId,
    /// Shared with whoever reads it while it grows.
    file: Arc<File>,
    pub(super) size: u64,
    /// Whether the file still lies in `incomplete/`, so that dropping has something to undo.
    pending: bool,
    /// Whether its bytes are good: if it is undone all the same, there is nothing to learn from it.
    verified: bool,
    /// What it was given of the disk.
    pub(super) reservation: Reservation,
}

/// The answer to the wish to write an image.
#[derive(Debug)]
pub enum TakeResult {
    /// This process writes it.
    Ours(Incomplete),
    /// It is cached.
    AlreadyCached,
    /// Another process or thread writes it.
    BeingWritten,
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
    /// Takes `incomplete/<id>` exclusively. A leftover of a dead writer is replaced, never written into:
    /// its inode may be that of an image that was published while we waited for its lock.
    pub fn take(directory: &Arc<Directory>, image_id: &ImageId) -> io::Result<TakeResult> {
        for _ in 0..ATTEMPTS {
            if directory.cached_file(image_id)?.is_some() {
                return Ok(TakeResult::AlreadyCached);
            }
            // Found out now, not when the whole image was fetched.
            if stat_any(&directory.base, image_id)?.is_some_and(|found| !is_regular(&found)) {
                return Err(in_the_way(image_id));
            }
            if let Some(file) = create(directory, image_id)? {
                let ours = Incomplete {
                    directory: Arc::clone(directory),
                    image_id: image_id.clone(),
                    file: Arc::new(file),
                    size: 0,
                    pending: true,
                    verified: false,
                    reservation: Reservation::default(),
                };
                // It may have been published between the look and the lock.
                if directory.cached_file(image_id)?.is_some() {
                    ours.discard();
                    return Ok(TakeResult::AlreadyCached);
                }
                return Ok(TakeResult::Ours(ours));
            }
            if !clear_dead(directory, image_id)? {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(TakeResult::BeingWritten)
    }

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

    /// Flushes verified bytes to disk, where that is wanted, and answers what the inode then says.
    pub fn sync_to_disk(&mut self, durability: Durability) -> io::Result<FileInfo> {
        self.verified = true;
        self.give_back()?;
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
        self.withdraw();
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
        let _ = self.give_back();
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
    /// Flushes the base directory to disk, so that what was published stays published.
    pub fn flush_to_disk(&self) -> io::Result<()> {
        // The handle that we hold only names the directory; flushing needs one that opens it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.base, ".", flags, Mode::empty())?;
        Ok(rustix::fs::fsync(opened)?)
    }
}

fn in_the_way(id: &ImageId) -> io::Error {
    io::Error::other(format!("{id} in the cache directory is no regular file; move it away"))
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

/// Makes and locks the file; nothing where one is there already.
fn create(directory: &Directory, image_id: &ImageId) -> io::Result<Option<File>> {
    let mode = directory.owner.file_mode();
    let file = match create_new(&directory.incomplete, image_id.as_str(), mode) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(e) => return Err(e),
    };
    match file.try_lock() {
        Ok(()) => {}
        // Somebody took the new file for a leftover before we had its lock.
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    if !same_inode(&directory.incomplete, image_id, &file)? {
        return Ok(None);
    }
    directory.adopt_owner(&file)?;
    // Who reads along through this handle leaves the access time to the records.
    let _ = rustix::fs::fcntl_setfl(&file, OFlags::NOATIME);
    Ok(Some(file))
}

/// Removes the file of a writer that is dead; false where it lives.
fn clear_dead(directory: &Directory, image_id: &ImageId) -> io::Result<bool> {
    let Some(file) = open_regular(&directory.incomplete, image_id)? else {
        return match directory.incomplete.symlink_metadata(image_id.as_str()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            // Another writer has come between the two looks.
            Ok(found) if found.is_file() => Ok(false),
            Ok(_) => Err(io::Error::other(format!(
                "incomplete/{image_id} is no regular file; remove it by hand"
            ))),
            Err(e) => Err(e),
        };
    };
    let file = match lock_alone(&directory.incomplete, image_id, file) {
        Ok(locked) => locked,
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    };
    if same_inode(&directory.incomplete, image_id, &file)? {
        remove_regular(&directory.incomplete, image_id)?;
    }
    Ok(true)
}
