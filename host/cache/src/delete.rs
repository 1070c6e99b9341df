//! Taking images out of the cache: file first, then records, so that a crash in between
//! leaves a record without its file, which opening forgets. The [order of the locks](image_cache_store) is documented with them.

use crate::cache::CacheInner;
use crate::error::Result;
use crate::metadata::DriverBudget;
use image_cache_model::ImageId;
use image_cache_store::{CLOSE_BATCH, DeferredClose, Directory, UnlinkedFile, names};
use rustix::io::Errno;
use std::io;

/// Images that are removed under one hold of the locks.
pub(crate) const IMAGES_PER_LOCK: usize = 64;

/// An image that an operation could not remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRemoved {
    /// The image.
    pub image_id: ImageId,
    /// Why it is still there.
    pub reason: String,
}

/// What became of one image of a batch: the bytes that it had, nothing if it was not there, or why it is still there.
pub(crate) type RemovedImage = (ImageId, io::Result<Option<u64>>);

/// Removes an image's file, and answers it; an error says why the image stays.
pub(crate) type Remove<'a> = &'a dyn Fn(&Directory, &ImageId) -> io::Result<Option<UnlinkedFile>>;

/// Removes images and their records, a batch after the other; afterwards all of their space is back.
pub(crate) fn remove_all(
    inner: &CacheInner,
    ids: &[ImageId],
    remove: Remove<'_>,
) -> Result<Vec<RemovedImage>> {
    let budget = DriverBudget::of(ids.len() as u64);
    DeferredClose::scope(|space| {
        let mut images = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IMAGES_PER_LOCK) {
            images.extend(remove_batch(inner, ids, u64::MAX, (space, &budget), remove)?);
        }
        Ok(images)
    })
}

/// Removes images and their records, until `enough` bytes have gone, with the images locked, since between the two another
/// process could cache an image anew and lose its record to us. If they are many their `space` is given back after
/// that. What cannot be removed is in the answer; only the locks can fail.
pub(crate) fn remove_batch(
    inner: &CacheInner,
    ids: &[ImageId],
    enough: u64,
    (space, budget): (&mut DeferredClose<'_>, &DriverBudget),
    remove: Remove<'_>,
) -> Result<Vec<RemovedImage>> {
    let locked = inner.directory.lock_images(ids);
    let locked = inner.in_directory("lock", names::IMAGE_LOCKS, locked)?;
    let lock = inner.in_directory("lock", names::LOCK, inner.directory.lock())?;
    let (images, mut files) = unlink(inner, ids, enough, remove);
    drop(lock);
    if files.len() <= CLOSE_BATCH {
        // On a full file system records can be written once there is space. Those of many follow what the first batches free.
        files.clear();
    }
    let is_gone = |(_, removed): &&RemovedImage| removed.is_ok();
    let gone: Vec<ImageId> = images.iter().filter(is_gone).map(|(id, _)| id.clone()).collect();
    // Their gathered hits are not those of an image that is cached under their names next.
    inner.hits.forget(&gone);
    if !gone.is_empty()
        && let Err(error) = inner.metadata.forget(&gone, budget)
    {
        // The images are gone; their records follow when the driver works again.
        tracing::warn!(%error, "records of removed images remain for now");
    }
    drop(locked);
    space.close_later(files);
    Ok(images)
}

/// What became of a batch, and the files that are to be closed.
fn unlink(
    inner: &CacheInner,
    ids: &[ImageId],
    enough: u64,
    remove: Remove<'_>,
) -> (Vec<RemovedImage>, Vec<UnlinkedFile>) {
    let (mut images, mut files) =
        (Vec::with_capacity(ids.len()), Vec::with_capacity(2 * ids.len()));
    let mut freed = 0u64;
    for id in ids {
        if freed >= enough {
            break;
        }
        let mut answer = remove(&inner.directory, id);
        if answer.as_ref().is_err_and(is_out_of_files) && !files.is_empty() {
            files.clear();
            answer = remove(&inner.directory, id);
        }
        let removed = answer.map(|file| {
            let size = file.as_ref().map(|file| file.size);
            freed = freed.saturating_add(size.unwrap_or(0));
            files.extend(file);
            files.extend(inner.digests.remove(id));
            size
        });
        images.push((id.clone(), removed));
    }
    (images, files)
}

/// Whether this process or the system may open no further file: those that wait to be closed are in the way.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
