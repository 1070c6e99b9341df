//! The space that the live writers of all processes use in the cache, and the free space of the file system.

use super::reservation::{announced_bytes, has_announced_image};
use super::{Directory, image_files};
use image_cache_model::ImageId;
use rustix::fs::fstat;
use std::fs::File;
use std::io;

/// The unit of `st_blocks`, independent of the block size of the file system.
const STAT_BLOCK: u64 = 512;

/// The space and images of all live writers except the calling one.
#[derive(Debug, Default)]
pub struct ActiveFills {
    /// Bytes that their files have or have reserved.
    pub bytes: u64,
    /// The part of them that the file system still counts as free.
    pub unallocated: u64,
    /// Number of their images that are announced or already have bytes.
    pub images: u64,
}

impl Directory {
    /// The space and images of all live writers except the writer of one image. Call with the directory locked, so that no writer
    /// reserves more or publishes meanwhile.
    pub fn active_fills(&self, except: &ImageId) -> io::Result<ActiveFills> {
        let mut fills = ActiveFills::default();
        for (id, _) in image_files(self, &self.incomplete)? {
            // The file of a dead writer is replaced or cleaned, and never published.
            if id != *except
                && let Some(file) = self.open_growing(&id)?
            {
                fills.add(&file)?;
            }
        }
        Ok(fills)
    }

    /// Bytes of the file system that this process may use; `None` if the file system does not say.
    pub fn free_space(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::fstatvfs(&self.base)?;
        Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
    }

    /// Inodes of the file system that this process may use; `None` if it creates them on demand (btrfs).
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
        // Without an announcement, the allocated blocks are the reservation, rounded up to whole blocks.
        let bytes = announced_bytes(file)?.unwrap_or(on_disk).max(size);
        self.bytes = self.bytes.saturating_add(bytes);
        self.unallocated = self.unallocated.saturating_add(bytes.saturating_sub(on_disk));
        // A writer that is still requesting space has neither.
        self.images += u64::from(bytes > 0 || has_announced_image(file));
        Ok(())
    }
}
