//! What a driver may do outside its own memory: one room for each interface that it may import.

pub(crate) mod attributes;
pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod sql;
pub(crate) mod wasi;

use crate::directory::Directory;
use crate::driver::bindings::image_cache::driver::types;
use crate::driver::printable;
use crate::image_id::ImageId;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// The error that a capability answers a guest.
pub(crate) type Error = types::Error;

/// A file that is not published yet, and that an image's attributes and file mean while it is recorded.
#[derive(Debug)]
pub(crate) struct Subject {
    pub image_id: ImageId,
    pub file: File,
}

/// Where a driver finds the files of images.
#[derive(Debug)]
pub(crate) struct Images {
    pub directory: Arc<Directory>,
    pub subject: Option<Subject>,
    /// The image whose file was found in this call last: it need not be looked for again.
    pub found: Option<ImageId>,
    /// The image whose file was opened in this call last, to be read or looked at again.
    opened: Option<(ImageId, File)>,
}

impl Images {
    pub fn new(directory: Arc<Directory>) -> Self {
        Images { directory, subject: None, found: None, opened: None }
    }

    /// A call begins or is over. Nothing stays open: an image that is evicted must give its space back.
    pub fn forget(&mut self) {
        self.found = None;
        self.opened = None;
    }

    /// Keeps an image's file until the call is over, or another one is kept.
    pub fn keep(&mut self, id: ImageId, file: File) -> &File {
        &self.opened.insert((id, file)).1
    }

    /// The image's file where that is open: the one about to be published, or one that was opened before and is in its place
    /// still.
    pub fn open(&self, id: &ImageId) -> Option<&File> {
        let is_there = |file: &&File| rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink > 0);
        let opened = self.opened.as_ref().filter(|(opened, _)| opened == id).map(|(_, file)| file);
        self.unpublished(id).or_else(|| opened.filter(is_there))
    }

    /// The image's id, checked.
    pub fn id(&self, id: &str) -> Result<ImageId, Error> {
        self.directory.image_id(id).map_err(|_| Error::InvalidArgument)
    }

    /// The file about to be published, where `id` is the image that is being recorded.
    pub fn unpublished(&self, id: &ImageId) -> Option<&File> {
        self.subject.as_ref().filter(|subject| subject.image_id == *id).map(|subject| &subject.file)
    }
}

/// What the operating system said, in the interface's words.
pub(crate) fn io_error(error: &io::Error) -> Error {
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
