//! The files of the cached images.

use super::state::{Image, with};
pub use crate::bindings::image_cache::driver::files::File;
use crate::types::Error;
use std::cell::RefCell;

/// A listing of the files, in the order of their ids.
pub struct Listing {
    rest: RefCell<std::vec::IntoIter<File>>,
}

impl Listing {
    /// The next files, at most `limit`; none at the end.
    pub fn next(&self, limit: u32) -> Result<Vec<File>, Error> {
        Ok(self.rest.borrow_mut().by_ref().take(limit as usize).collect())
    }
}

/// All files.
pub fn list_cached() -> Result<Listing, Error> {
    let files: Vec<File> =
        with(|state| state.images.iter().map(|(id, image)| file(id, image)).collect());
    Ok(Listing { rest: RefCell::new(files.into_iter()) })
}

/// The file of an image.
pub fn stat(image_id: &str) -> Result<Option<File>, Error> {
    Ok(with(|state| state.images.get(image_id).map(|image| file(image_id, image))))
}

/// Sets the time of the last access.
pub fn set_accessed(image_id: &str, at: u64) -> Result<(), Error> {
    with(|state| match state.images.get_mut(image_id) {
        Some(image) => {
            image.accessed = at;
            Ok(())
        }
        None => Err(Error::NotFound),
    })
}

fn file(image_id: &str, image: &Image) -> File {
    File {
        image_id: image_id.into(),
        size: image.size,
        modified: image.modified,
        accessed: image.accessed,
    }
}
