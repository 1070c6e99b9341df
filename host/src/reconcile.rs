//! Bringing the books into step with the directory, which is right about what is cached.

use crate::books::Reconciled;
use crate::cache::Shared;
use crate::directory::FileInfo;
use crate::driver::CachedImage;
use crate::error::{Error, Result};
use crate::image_id::ImageId;
use std::collections::BTreeMap;
use std::io;

/// Adopts files without a record, forgets records without a file, and replaces records of another file.
/// Not with the directory locked: each repair takes the lock and looks again.
pub(crate) fn reconcile(shared: &Shared) -> Result<Reconciled> {
    let files: io::Result<BTreeMap<ImageId, FileInfo>> =
        shared.directory.cached_files().and_then(Iterator::collect);
    let mut files = shared.in_directory("read", "", files)?;
    shared.blocks.sweep(files.keys());
    let mut doubtful = Vec::new();
    shared.books.each_page(|page| {
        let mut strangers = 0;
        for record in page {
            let file = files.remove(&record.image_id);
            strangers += usize::from(file.is_none());
            if !file.is_some_and(|file| agree(&record, &file)) {
                doubtful.push(record.image_id);
            }
        }
        strangers
    })?;
    doubtful.extend(files.into_keys());
    let (mut repairs, mut unrepaired) = (0u64, 0u64);
    for id in &doubtful {
        match repair(shared, id) {
            Ok(repaired) => repairs += u64::from(repaired),
            // Whoever sits on the lock would be waited for as long for each of the others.
            Err(error) if is_time_out(&error) => return Err(error),
            // One file that nobody may change must not keep all others out of the books.
            Err(error) => {
                tracing::warn!(image = %id, %error, "its record is wrong or missing for now");
                unrepaired += 1;
            }
        }
    }
    if repairs > 0 {
        tracing::info!(repairs, "the books were brought into step with the directory");
    }
    Ok(if unrepaired == 0 { Reconciled::Whole } else { Reconciled::InPart })
}

fn is_time_out(error: &Error) -> bool {
    matches!(error, Error::Image { source, .. } if source.kind() == io::ErrorKind::TimedOut)
}

/// Whether a record is of this file.
pub(crate) fn agree(record: &CachedImage, file: &FileInfo) -> bool {
    record.size == file.size && record.last_modified == file.modified
}

/// Looks again under the lock, and repairs what is still wrong; whether there was anything.
fn repair(shared: &Shared, id: &ImageId) -> Result<bool> {
    let in_file = |source| Error::Image { operation: "look at", image_id: id.clone(), source };
    let _lock = shared.directory.lock().map_err(in_file)?;
    let file = shared.directory.cached_file(id).map_err(in_file)?;
    let record = shared.books.cached_image(id)?;
    let adopted = match (file, record) {
        (None, None) => return Ok(false),
        (None, Some(_)) => {
            tracing::debug!(image = %id, "its file is gone: the record is forgotten");
            shared.books.forget(std::slice::from_ref(id))?;
            return Ok(true);
        }
        (Some(file), Some(record)) if agree(&record, &file) => return Ok(false),
        (Some(file), Some(record)) => {
            if is_of(&record, &file) {
                shared.blocks.forget_replaced(id, record.last_modified);
            }
            renewed(&record, &file)
        }
        (Some(file), None) => adopted(id, &file),
    };
    tracing::debug!(image = %id, "it is adopted from its file");
    shared.books.record_cached(&adopted, None)?;
    Ok(true)
}

/// The record of a file that nobody knew.
pub(crate) fn adopted(id: &ImageId, file: &FileInfo) -> CachedImage {
    CachedImage {
        image_id: id.clone(),
        size: file.size,
        hits: 0,
        last_accessed: file.accessed,
        last_modified: file.modified,
        checksum: None,
    }
}

/// Whether a record with another time is of this very file: one made a little after the file was last
/// written to is Glance's, which notes the time of its own commit.
fn is_of(record: &CachedImage, file: &FileInfo) -> bool {
    record.size == file.size && record.last_modified >= file.modified
}

/// The record of a file with another size or time. Of the very same file, hits and last access are true. Any
/// other is of a file that was replaced meanwhile.
pub(crate) fn renewed(record: &CachedImage, file: &FileInfo) -> CachedImage {
    if !is_of(record, file) {
        return adopted(&record.image_id, file);
    }
    CachedImage { last_modified: file.modified, checksum: None, ..record.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, ImageCache};

    #[test]
    fn a_lock_that_somebody_sits_on_is_waited_for_once_and_not_for_every_image() {
        let place = tempfile::tempdir().expect("a directory");
        let config = Config::builder(place.path()).build().expect("it is right");
        let cache = ImageCache::open(config).expect("it opens");
        for id in ["a", "b", "c"] {
            std::fs::write(place.path().join(id), b"image").expect("it can be written");
        }
        let shared = cache.shared();
        let held = shared.directory.lock().expect("it is free");
        let error = reconcile(shared).expect_err("the lock is held");
        assert!(error.to_string().contains("another process holds the cache's lock"), "{error}");
        drop(held);
        assert!(matches!(reconcile(shared), Ok(Reconciled::Whole)));
        assert_eq!(cache.cached_images().expect("they are listed").len(), 3);
    }
}
