//! Quarantine of damaged images: moves them to `invalid/`, with the reason in an attribute of the file.

use super::{Directory, open_regular, remove_regular};
use image_cache_model::ImageId;
use std::fs::File;
use std::io;
use xattr::FileExt;

/// The attribute with the reason why a file is in `invalid/`.
const REASON: &str = "user.image-cache.reason";

/// Longest reason, in bytes: ext4 can store this in an inode.
const MAX_REASON: usize = 200;

impl Directory {
    /// Moves this cached image to `invalid/`; if that fails, removes it. Call with the directory locked, after checking that the
    /// image's name refers to the open file.
    pub fn quarantine(&self, id: &ImageId, file: &File, reason: &str) -> io::Result<()> {
        let end = reason.floor_char_boundary(MAX_REASON);
        if let Err(error) = file.set_xattr(REASON, &reason.as_bytes()[..end]) {
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
        // A file system without attributes stores no reason.
        let reason = file.get_xattr(REASON).unwrap_or_default();
        Ok(reason.map(|reason| String::from_utf8_lossy(&reason).into_owned()))
    }
}
