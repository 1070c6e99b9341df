//! Bringing the records into sync with the directory, which is right about what is cached.

use crate::cache::CacheInner;
use crate::error::{Error, Result};
use crate::metadata::{Budget, DirectorySnapshot, Reconciled};
use image_cache_model::{CacheSize, CachedImage, ImageId};
use image_cache_store::FileInfo;
use image_cache_store::sync::{WORTH_A_THREAD, both};
use std::io;

/// Adopts files without a record, forgets records without a file, and replaces records of another file.
/// Not with an image locked: each repair takes the image's lock and looks again.
pub(crate) fn reconcile(inner: &CacheInner) -> Result<Reconciled> {
    let changed = inner.in_directory("read", "", inner.directory.modified())?;
    let files = inner.directory.scan_in_shards(|files| files.collect::<io::Result<Vec<_>>>());
    let mut files = inner.in_directory("read", "", files)?.concat();
    files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let budget = Budget::of(files.len() as u64);
    let sweep = || inner.blocks.sweep(files.iter().map(|(id, _)| id));
    // Another directory, and nothing of the records: it need not wait for them.
    let doubtful = if files.len() >= WORTH_A_THREAD {
        both(|| doubtful(inner, &files, &budget), sweep).0?
    } else {
        sweep();
        doubtful(inner, &files, &budget)?
    };
    let driver = inner.metadata.in_use();
    let (mut repairs, mut unrepaired) = (0u64, 0u64);
    for id in &doubtful {
        match repair(inner, id, &budget) {
            Ok(repaired) => repairs += u64::from(repaired),
            // Whoever sits on the lock would be waited for as long for each of the others.
            Err(error) if is_time_out(&error) => return Err(error),
            // Another driver took its place: its records are another matter.
            Err(error) if !inner.metadata.is_served_by(&driver) => return Err(error),
            // One file that nobody may change must not keep all others out of the records.
            Err(error) => {
                tracing::warn!(image = %id, %error, "its record is wrong or missing for now");
                unrepaired += 1;
            }
        }
    }
    if repairs > 0 {
        tracing::info!(repairs, "the records were brought into sync with the directory");
    }
    let bytes = files.iter().map(|(_, file)| file.size).sum();
    let size = CacheSize { images: files.len() as u64, bytes };
    let held = DirectorySnapshot { size, changed };
    Ok(if unrepaired == 0 { Reconciled::Whole(held) } else { Reconciled::InPart })
}

/// The images of which the records say nothing, or something else than the directory; and those that it knows nothing of.
fn doubtful(
    inner: &CacheInner,
    files: &[(ImageId, FileInfo)],
    budget: &Budget,
) -> Result<Vec<ImageId>> {
    let (mut doubtful, mut pages, mut orphans) = (Vec::new(), inner.metadata.pages(budget), 0);
    // Both ascend.
    let mut files = files.iter().peekable();
    while let Some(page) = pages.next(orphans)? {
        orphans = 0;
        for record in page {
            while let Some((id, _)) = files.next_if(|(id, _)| *id < record.image_id) {
                doubtful.push(id.clone());
            }
            let file = files.next_if(|(id, _)| *id == record.image_id);
            orphans += usize::from(file.is_none());
            if !file.is_some_and(|(_, file)| agree(&record, file)) {
                doubtful.push(record.image_id);
            }
        }
    }
    doubtful.extend(files.map(|(id, _)| id.clone()));
    Ok(doubtful)
}

fn is_time_out(error: &Error) -> bool {
    matches!(error, Error::Image { source, .. } if source.kind() == io::ErrorKind::TimedOut)
}

/// Whether a record is of this file.
pub(crate) fn agree(record: &CachedImage, file: &FileInfo) -> bool {
    record.size == file.size && record.last_modified == file.modified
}

/// Looks again under the image's lock, and repairs what is still wrong; whether there was anything.
fn repair(inner: &CacheInner, id: &ImageId, budget: &Budget) -> Result<bool> {
    let in_file = |source| Error::Image { operation: "look at", image_id: id.clone(), source };
    let _image = inner.directory.lock_image(id).map_err(in_file)?;
    let file = inner.directory.cached_file(id).map_err(in_file)?;
    let record = inner.metadata.cached_image(id, budget)?;
    let adopted = match (file, record) {
        (None, None) => return Ok(false),
        (None, Some(_)) => {
            tracing::debug!(image = %id, "its file is gone: the record is forgotten");
            inner.metadata.forget(std::slice::from_ref(id), budget)?;
            return Ok(true);
        }
        (Some(file), Some(record)) if agree(&record, &file) => return Ok(false),
        (Some(file), Some(record)) => {
            if is_of(&record, &file) {
                let _lock = inner.directory.lock().map_err(in_file)?;
                inner.blocks.remove_if_replaced(id, record.last_modified);
            }
            renewed(&record, &file)
        }
        (Some(file), None) => adopted(id, &file),
    };
    tracing::debug!(image = %id, "it is adopted from its file");
    inner.metadata.record_cached(&adopted, None, budget)?;
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
        let ids: Vec<ImageId> =
            (0..30).map(|n| format!("image-{n}").parse().expect("an id")).collect();
        for id in &ids {
            std::fs::write(place.path().join(id.as_str()), b"image").expect("it can be written");
        }
        let inner = cache.inner();
        let held = inner.directory.lock_images(&ids).expect("they are free");
        let begun = std::time::Instant::now();
        let error = reconcile(inner).expect_err("the locks are held");
        let words = "another process records or removes the same image";
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(10),
            "one wait is of 2 s, 30 are of 60 s"
        );
        drop(held);
        assert!(matches!(reconcile(inner), Ok(Reconciled::Whole(held)) if held.size.images == 30));
        assert_eq!(cache.cached_images().expect("they are listed").len(), 30);
    }
}
