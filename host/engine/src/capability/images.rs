//! The files of images, as a driver's call accesses them.

use super::error::CapabilityError;
use image_cache_model::ImageId;
use image_cache_store::Directory;
use rustix::fs::Stat;
use std::fs::File;
use std::sync::Arc;

/// An image's open file.
#[derive(Debug, Clone)]
pub struct OpenImage {
    /// The image.
    pub image_id: ImageId,
    /// Its file.
    pub file: Arc<File>,
}

/// Where a driver finds the files of images: those of the cache, and during one call those that are already open.
///
/// [`end_call`](Self::end_call) closes the files that a call left open, so that an evicted image frees its space.
#[derive(Debug)]
pub struct Images {
    pub directory: Arc<Directory>,
    /// The file that is being recorded and not published yet: calls about its image use this file.
    pub unpublished: Option<OpenImage>,
    /// The image whose file was found last in this call: it is not looked up again.
    pub last_found: Option<ImageId>,
    /// The file that the host had open, or that was opened last in this call: it is not opened again.
    open_file: Option<OpenImage>,
}

impl Images {
    pub fn new(directory: Arc<Directory>) -> Self {
        Images { directory, unpublished: None, last_found: None, open_file: None }
    }

    /// Closes the files that the call left open, so that an evicted image frees its space.
    pub fn end_call(&mut self) {
        self.last_found = None;
        self.open_file = None;
    }

    /// Uses a file that the host has open, if the image's name still refers to it.
    pub fn reuse_open_file(&mut self, opened: OpenImage) {
        if self.directory.is_in_place(&opened.image_id, &opened.file).unwrap_or(false) {
            self.open_file = Some(opened);
        }
    }

    /// Keeps an image's file open until the call ends, or another one is kept.
    pub fn keep_open(&mut self, opened: OpenImage) -> &File {
        &self.open_file.insert(opened).file
    }

    /// The image's file if it is open: the unpublished one, or one that was opened in this call.
    pub fn open_file(&self, id: &ImageId) -> Option<&Arc<File>> {
        self.unpublished_file(id).or_else(|| file_of(self.open_file.as_ref(), id))
    }

    /// The same with the result of `stat(2)`, unless the file was removed after it was opened: a result must be about the
    /// file that exists now.
    pub fn open_file_with_stat(&self, id: &ImageId) -> Option<(&File, Stat)> {
        let file = self.open_file(id)?;
        let stat = rustix::fs::fstat(file).ok()?;
        (stat.st_nlink > 0 || self.unpublished_file(id).is_some()).then_some((file, stat))
    }

    fn unpublished_file(&self, id: &ImageId) -> Option<&Arc<File>> {
        file_of(self.unpublished.as_ref(), id)
    }

    /// The image's id, validated.
    pub fn id(&self, id: &str) -> Result<ImageId, CapabilityError> {
        self.directory.image_id(id).map_err(|_| CapabilityError::InvalidArgument)
    }
}

/// The file, if it is this image's.
fn file_of<'a>(opened: Option<&'a OpenImage>, id: &ImageId) -> Option<&'a Arc<File>> {
    opened.filter(|opened| opened.image_id == *id).map(|opened| &opened.file)
}
