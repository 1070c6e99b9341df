//! Room for images that are being written: announced to other processes, allocated before bytes come, and given back.

use super::{Directory, Incomplete, entry_info, open_regular};
use image_cache_model::ImageId;
use rustix::fs::{
    FallocateFlags, XattrFlags, fallocate, fgetxattr, fremovexattr, fsetxattr, fstat,
};
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::io;

/// On the incomplete file, so that it goes with it: the bytes that its writer may write, as decimal text.
const ATTRIBUTE: &str = "user.image-cache.reserved";

/// On the incomplete file: its image has a place among those that the cache may hold.
const PLACE: &str = "user.image-cache.place";

/// Decimal digits of the largest number of bytes.
const DIGITS: usize = 20;

/// The unit of `st_blocks`, whatever the file system's own blocks are.
const STAT_BLOCK: u64 = 512;

/// What one incomplete file was given.
#[derive(Debug, Default)]
pub(super) struct Reservation {
    /// Bytes that may be written without asking.
    reserved: u64,
    /// Bytes for which the file system has set blocks aside.
    allocated: u64,
    /// Whether others can read on the file what is reserved.
    announced: bool,
    /// Whether others can read on the file that its image has a place.
    has_place: bool,
}

/// What live writers take up, apart from one of them.
#[derive(Debug, Default)]
pub struct ActiveFills {
    /// Bytes that their files have or may come to have.
    pub bytes: u64,
    /// Those of them that the file system still counts as free.
    pub unallocated: u64,
    /// How many images have a place, or bytes already.
    pub images: u64,
}

impl Incomplete {
    /// Bytes that may be written without asking.
    pub fn reserved(&self) -> u64 {
        self.reservation.reserved
    }

    /// Bytes that the file system no longer counts as free on this file's account.
    pub fn taken(&self) -> u64 {
        self.reservation.allocated.max(self.size)
    }

    /// Reserves `total` bytes, and tells other processes; false where the file system cannot keep that.
    pub fn announce(&mut self, total: u64) -> io::Result<bool> {
        self.reservation.reserved = total;
        match fsetxattr(self.file(), ATTRIBUTE, total.to_string().as_bytes(), XattrFlags::empty()) {
            Ok(()) => self.reservation.announced = true,
            Err(Errno::OPNOTSUPP) => self.reservation.announced = false,
            Err(error) => return Err(error.into()),
        }
        Ok(self.reservation.announced)
    }

    /// Tells other processes that the image has a place. Where they cannot be told, its bytes tell them.
    pub fn announce_place(&mut self) -> io::Result<()> {
        match fsetxattr(self.file(), PLACE, b"1", XattrFlags::empty()) {
            Ok(()) => self.reservation.has_place = true,
            Err(Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Has the file system set blocks aside for `total` bytes, without changing the file's length; false
    /// where it cannot do that.
    pub fn allocate(&mut self, total: u64) -> io::Result<bool> {
        self.reservation.reserved = total;
        let from = self.taken();
        if from >= total {
            return Ok(true);
        }
        loop {
            match fallocate(self.file(), FallocateFlags::KEEP_SIZE, from, total - from) {
                Ok(()) => {
                    self.reservation.allocated = total;
                    return Ok(true);
                }
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives back what was reserved and not written.
    pub(super) fn give_back(&mut self) -> io::Result<()> {
        if self.reservation.allocated > self.size {
            self.file().set_len(self.size)?;
            self.reservation.allocated = self.size;
        }
        Ok(())
    }

    /// Takes the announcement off the file, which is no longer being written.
    pub(super) fn withdraw(&mut self) {
        let reservation = &mut self.reservation;
        let announced = [
            (std::mem::take(&mut reservation.announced), ATTRIBUTE),
            (std::mem::take(&mut reservation.has_place), PLACE),
        ];
        for (_, name) in announced.into_iter().filter(|(is_there, _)| *is_there) {
            if let Err(error) = fremovexattr(self.file(), name) {
                // It says something of incomplete files only.
                tracing::debug!(image = %self.image_id, %error, "an attribute remains on its file");
            }
        }
    }
}

impl Directory {
    /// What live writers take up, but for that of one image. Call with the directory locked, so that none
    /// reserves more and none publishes meanwhile.
    pub fn active_fills(&self, but_for: &ImageId) -> io::Result<ActiveFills> {
        let mut filling = ActiveFills::default();
        for entry in self.incomplete.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| self.image_id(name).ok()) else {
                continue;
            };
            if id == *but_for || entry_info(&entry)?.is_none() {
                continue;
            }
            let Some(file) = open_regular(&self.incomplete, &id)? else { continue };
            match file.try_lock_shared() {
                // Its writer is dead: it is replaced or cleaned, and never published.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => filling.add(&file)?,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(filling)
    }

    /// Bytes of the file system that are free for us; nothing where it does not say.
    pub fn free_space(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::fstatvfs(&self.base)?;
        Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    /// Inodes of the file system that are free for us; nothing where it makes them as they are needed (btrfs).
    pub fn free_inodes(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::fstatvfs(&self.base)?;
        Ok((stat.f_files > 0).then_some(stat.f_favail))
    }
}

impl ActiveFills {
    fn add(&mut self, file: &File) -> io::Result<()> {
        let stat = fstat(file)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let on_disk = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(STAT_BLOCK);
        // Without an announcement the blocks tell what was reserved, rounded up to whole ones.
        let bytes = announced(file)?.unwrap_or(on_disk).max(size);
        self.bytes = self.bytes.saturating_add(bytes);
        self.unallocated = self.unallocated.saturating_add(bytes.saturating_sub(on_disk));
        // One that asks for a place itself has neither yet.
        self.images += u64::from(bytes > 0 || fgetxattr(file, PLACE, &mut [0u8; 1]).is_ok());
        Ok(())
    }
}

/// What the writer of this file says that it may write.
fn announced(file: &File) -> io::Result<Option<u64>> {
    let mut text = [0; DIGITS];
    match fgetxattr(file, ATTRIBUTE, &mut text) {
        Ok(length) => Ok(str::from_utf8(&text[..length]).ok().and_then(|text| text.parse().ok())),
        // None, one of another make, or a file system without attributes.
        Err(Errno::NODATA | Errno::RANGE | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
