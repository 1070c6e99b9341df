//! Space for a file that is being written: announced to other processes, allocated before its bytes arrive, released at its end.

use super::Incomplete;
use rustix::fs::{FallocateFlags, XattrFlags, fallocate, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// Attribute of the incomplete file, removed with it: the bytes that its writer may write, as decimal text.
const RESERVED_BYTES: &str = "user.image-cache.reserved";

/// Attribute of the incomplete file: its image counts towards the limit of images.
const RESERVED_IMAGE: &str = "user.image-cache.place";

/// Decimal digits of the largest number of bytes.
const DIGITS: usize = 20;

/// Other processes read the reservation from the file's extended attributes, so it ends with the file. The writer calls
/// `release_unwritten` and `withdraw` when the file is complete or abandoned. If the writer dies before that, the file's lock
/// ends with the process, and no process counts the file any more.
impl Incomplete {
    /// Bytes that may be written without another reservation.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Bytes that the file system no longer counts as free because of this file.
    pub fn allocated(&self) -> u64 {
        self.allocated.max(self.size())
    }

    /// Reserves `total` bytes and announces them to other processes; false if the file system cannot store the attribute.
    pub fn announce_bytes(&mut self, total: u64) -> io::Result<bool> {
        self.reserved = total;
        self.announced_bytes = set(self.file(), RESERVED_BYTES, total.to_string().as_bytes())?;
        Ok(self.announced_bytes)
    }

    /// Announces to other processes that the image counts. If the file system cannot store the attribute, they count it once it
    /// has bytes.
    pub fn announce_image(&mut self) -> io::Result<()> {
        self.announced_image |= set(self.file(), RESERVED_IMAGE, b"1")?;
        Ok(())
    }

    /// Lets the file system allocate blocks for `total` bytes, without changing the file's length; false if it cannot do that.
    pub fn allocate(&mut self, total: u64) -> io::Result<bool> {
        self.reserved = total;
        let from = self.allocated();
        if from >= total {
            return Ok(true);
        }
        loop {
            match fallocate(self.file(), FallocateFlags::KEEP_SIZE, from, total - from) {
                Ok(()) => {
                    self.allocated = total;
                    return Ok(true);
                }
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Releases the blocks after the bytes that were written.
    pub(super) fn release_unwritten(&mut self) -> io::Result<()> {
        if self.allocated > self.size() {
            self.file().set_len(self.size())?;
            self.allocated = self.size();
        }
        Ok(())
    }

    /// Removes the announcements from the file, which is no longer being written.
    pub(super) fn withdraw(&mut self) {
        let announced = [
            (std::mem::take(&mut self.announced_bytes), RESERVED_BYTES),
            (std::mem::take(&mut self.announced_image), RESERVED_IMAGE),
        ];
        for (_, name) in announced.into_iter().filter(|(is_there, _)| *is_there) {
            if let Err(error) = fremovexattr(self.file(), name) {
                // The attribute has no effect on a file that is not incomplete.
                tracing::debug!(image = %self.image_id(), %error, "an attribute remains on its file");
            }
        }
    }
}

/// Sets an attribute; false if the file system has no attributes.
fn set(file: &File, name: &str, value: &[u8]) -> io::Result<bool> {
    match fsetxattr(file, name, value, XattrFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The bytes that the writer of this file has announced.
pub(super) fn announced_bytes(file: &File) -> io::Result<Option<u64>> {
    let mut text = [0; DIGITS];
    match fgetxattr(file, RESERVED_BYTES, &mut text) {
        Ok(length) => Ok(str::from_utf8(&text[..length]).ok().and_then(|text| text.parse().ok())),
        // No attribute, one in another format, or a file system without attributes.
        Err(Errno::NODATA | Errno::RANGE | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the writer of this file has announced its image.
pub(super) fn has_announced_image(file: &File) -> bool {
    fgetxattr(file, RESERVED_IMAGE, &mut [0u8; 1]).is_ok()
}
