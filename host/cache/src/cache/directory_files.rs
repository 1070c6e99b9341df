//! What programs around the cache ask of its directory: files of their own beside the images, and which file is which.

use super::ImageCache;
use crate::error::{Error, Result};
use image_cache_model::{ImageId, LeftoverState};
use image_cache_store::{Directory, FileIdentity, SmallFiles, names};
use std::io;

impl ImageCache {
    /// A folder of small files in `.image-cache/`, made if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or something else has its name.
    pub fn small_files(&self, name: &str) -> io::Result<SmallFiles> {
        self.inner.directory.small_files(name)
    }

    /// Which file the cached image is; nothing if there is none, or if the file system does not keep when files were made.
    pub fn cached_identity(&self, id: &str) -> Result<Option<FileIdentity>> {
        self.inner.of_image("look at", id, Directory::cached_identity)
    }

    /// The same of the file of the fetch that runs, or has broken off.
    pub fn incomplete_identity(&self, id: &str) -> Result<Option<FileIdentity>> {
        self.inner.of_image("look at", id, Directory::incomplete_identity)
    }

    /// Whether a fetch of the image left a file of this kind, whether its writer lives or not.
    pub fn has_leftover(&self, id: &ImageId, state: LeftoverState) -> Result<bool> {
        self.inner.directory.has_leftover(id, state).map_err(Error::image("look for", id))
    }

    /// Whether the directory that was opened is still the one at its path: what was opened once can be read even when it
    /// has gone.
    ///
    /// # Errors
    /// [`Error::Directory`], if it is not, or that cannot be found out.
    pub fn check_in_place(&self) -> Result<()> {
        let directory = &self.inner.directory;
        self.inner.in_directory("find", names::INCOMPLETE, directory.check_in_place())
    }
}
