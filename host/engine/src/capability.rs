//! What a driver may do outside its own memory: one room for each interface that it may import.

pub mod attributes;
pub mod files;
pub mod log;
pub mod sql;
pub mod wasi;

use crate::bindings::image_cache::driver::types;
use image_cache_model::{ImageId, printable};
use image_cache_store::Directory;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// The error that a capability answers a guest.
pub type Error = types::Error;

/// An image's file that is open.
#[derive(Debug, Clone)]
pub struct OpenImage {
    /// The image.
    pub image_id: ImageId,
    /// Its file.
    pub file: Arc<File>,
}

/// Where a driver finds the files of images.
#[derive(Debug)]
pub struct Images {
    pub directory: Arc<Directory>,
    /// The file that is not published yet, and that an image's attributes and file mean while it is recorded.
    pub subject: Option<OpenImage>,
    /// The image whose file was found in this call last: it need not be looked for again.
    pub found: Option<ImageId>,
    /// The image whose file is open in this call, lent by whoever calls or opened last: it need not be opened again.
    opened: Option<OpenImage>,
}

impl Images {
    pub fn new(directory: Arc<Directory>) -> Self {
        Images { directory, subject: None, found: None, opened: None }
    }

    /// A call is over. Nothing stays open: an image that is evicted must give its space back.
    pub fn forget(&mut self) {
        self.found = None;
        self.opened = None;
    }

    /// Takes over a file that somebody else has open, if it is in its place still.
    pub fn lend(&mut self, opened: OpenImage) {
        if self.directory.is_in_place(&opened.image_id, &opened.file).unwrap_or(false) {
            self.opened = Some(opened);
        }
    }

    /// Keeps an image's file until the call is over, or another one is kept.
    pub fn keep(&mut self, opened: OpenImage) -> &File {
        &self.opened.insert(opened).file
    }

    /// The image's file where that is open: the one about to be published, or one that was opened in this call.
    pub fn open(&self, id: &ImageId) -> Option<&File> {
        self.unpublished(id).or_else(|| file_of(self.opened.as_ref(), id))
    }

    /// The same with its inode, where it was not removed since it was opened: what is read must be of the file that is there.
    pub fn open_still(&self, id: &ImageId) -> Option<(&File, Stat)> {
        let file = self.open(id)?;
        let stat = rustix::fs::fstat(file).ok()?;
        (stat.st_nlink > 0 || self.unpublished(id).is_some()).then_some((file, stat))
    }

    fn unpublished(&self, id: &ImageId) -> Option<&File> {
        file_of(self.subject.as_ref(), id)
    }

    /// The image's id, checked.
    pub fn id(&self, id: &str) -> Result<ImageId, Error> {
        self.directory.image_id(id).map_err(|_| Error::InvalidArgument)
    }
}

/// The file, where it is this image's.
fn file_of<'a>(opened: Option<&'a OpenImage>, id: &ImageId) -> Option<&'a File> {
    opened.filter(|opened| opened.image_id == *id).map(|opened| &*opened.file)
}

/// What the operating system said, in the interface's words.
pub fn io_error(error: &io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(Errno::NOTSUP | Errno::NOSYS) => Error::Unsupported,
        Some(Errno::NOSPC | Errno::DQUOT) => Error::Full,
        Some(Errno::TOOBIG | Errno::RANGE | Errno::NAMETOOLONG) => Error::TooLarge,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Error::Denied,
        Some(Errno::NOENT) => Error::NotFound,
        Some(Errno::AGAIN | Errno::BUSY) => Error::Busy,
        _ => Error::Other(printable(&error.to_string(), 500)),
    }
}
