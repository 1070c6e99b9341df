//! The images whose sources are being read by this thread, so that a source cannot read itself.

use crate::error::ErrorCode;
use crate::failure::{Failure, Result};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// An image, and the directory of its cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedImage {
    pub directory: PathBuf,
    pub id: String,
}

thread_local! {
    static RUNNING: RefCell<Vec<FetchedImage>> = const { RefCell::new(Vec::new()) };
}

/// A callback of the image's source runs in this thread, until this is dropped.
pub(crate) struct RunningSource(());

impl RunningSource {
    pub fn start(image: &FetchedImage) -> RunningSource {
        let _ = RUNNING.try_with(|running| running.borrow_mut().push(image.clone()));
        RunningSource(())
    }
}

impl Drop for RunningSource {
    fn drop(&mut self) {
        let _ = RUNNING.try_with(|running| running.borrow_mut().pop());
    }
}

/// Refuses a fetch of an image by its own source. The cache itself would detect the wait, but not the recursion of a source of an
/// image that the cache does not store.
pub(crate) fn check(directory: &Path, id: &str) -> Result<()> {
    let is_it = |image: &FetchedImage| image.id == id && image.directory == directory;
    let runs = RUNNING.try_with(|running| running.borrow().iter().any(is_it)).unwrap_or(false);
    if runs {
        let text = format!("image {id}: its source must not fetch the same image");
        return Err(Failure::new(ErrorCode::Deadlock, text));
    }
    Ok(())
}
