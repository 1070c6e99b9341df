//! Quarantine of damaged images: moves them to `invalid/`, with the reason in an attribute of the file.

use super::{Directory, open_regular, remove_regular};
use image_cache_model::ImageId;
use rustix::buffer::spare_capacity;
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use std::fs::File;
use std::io;

/// The attribute with the reason why a file is in `invalid/`.
const REASON: &str = "user.image-cache.reason";

/// Longest reason, in bytes: ext4 can store this in an inode.
const MAX_REASON: usize = 200;

/// Longest reason that is read, in bytes: another version may have stored more.
const MAX_READ: usize = 1000;

impl Directory {
    /// Moves this cached image to `invalid/`; if that fails, removes it. Call with the directory locked, after checking that the
    /// image's name refers to the open file.
    pub fn quarantine(&self, id: &ImageId, file: &File, reason: &str) -> io::Result<()> {
        let end = reason.floor_char_boundary(MAX_REASON);
        let reason = &reason.as_bytes()[..end];
        if let Err(error) = fsetxattr(file, REASON, reason, XattrFlags::empty()) {
            tracing::debug!(image = %id, %error, "the reason cannot be stored with the file");
        }
        if rustix::fs::renameat(&self.base, id.as_str(), &self.invalid, id.as_str()).is_ok() {
            return Ok(());
        }
        remove_regular(&self.base, id).map(drop)
    }

    /// Why the image's file is in `invalid/`, if the reason is stored.
    pub fn invalid_reason(&self, id: &ImageId) -> io::Result<Option<String>> {
        let Some(file) = open_regular(&self.invalid, id)? else { return Ok(None) };
        let mut reason = Vec::with_capacity(MAX_READ);
        // A file system without attributes stores no reason, and the cache stores no longer one.
        let found = fgetxattr(&file, REASON, spare_capacity(&mut reason)).is_ok();
        Ok(found.then(|| String::from_utf8_lossy(&reason).into_owned()))
    }
}
