//! Removes images from the cache: first the file, then the record, so that a crash in between leaves an orphan record, which
//! opening removes. The [order of the locks](image_cache_store) is documented with them.

use crate::cache::CacheInner;
use crate::error::Result;
use crate::metadata::DriverBudget;
use image_cache_model::{ImageId, RemovalReason};
use image_cache_store::{CLOSE_BATCH, DeferredClose, Directory, UnlinkedFile, names};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;

/// Images that are removed per acquisition of the locks.
pub(crate) const IMAGES_PER_LOCK: usize = 64;

/// An image that an operation could not remove. Two are equal if they are of the same image, and the errors have the same kind and
/// text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NotRemoved {
    /// The image.
    pub image_id: ImageId,
    /// Why it was not removed: of the kind [`ResourceBusy`](io::ErrorKind::ResourceBusy) if it is being read, of the kind
    /// [`Other`](io::ErrorKind::Other) if it was pinned meanwhile, otherwise the error of the system.
    pub reason: Arc<io::Error>,
}

impl PartialEq for NotRemoved {
    fn eq(&self, other: &NotRemoved) -> bool {
        let (one, another) = (&self.reason, &other.reason);
        self.image_id == other.image_id
            && one.kind() == another.kind()
            && one.to_string() == another.to_string()
    }
}

impl Eq for NotRemoved {}

/// The result for one image of a batch: its size, `None` if it was not cached, or why it was not removed.
pub(crate) type RemovedImage = (ImageId, io::Result<Option<u64>>);

/// Removes an image's file and returns it; an error states why the image stays.
pub(crate) type Remove<'a> = &'a dyn Fn(&Directory, &ImageId) -> io::Result<Option<UnlinkedFile>>;

/// Removes images and their records in batches. When it returns, all of their space is free.
pub(crate) fn remove_all(
    inner: &CacheInner,
    ids: &[ImageId],
    reason: RemovalReason,
    remove: Remove<'_>,
) -> Result<Vec<RemovedImage>> {
    let budget = DriverBudget::of(ids.len() as u64);
    DeferredClose::scope(|space| {
        let mut images = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IMAGES_PER_LOCK) {
            images.extend(remove_batch(inner, ids, u64::MAX, (space, &budget), (reason, remove))?);
        }
        Ok(images)
    })
}

/// Removes images and their records until `enough` bytes are removed. It holds the images' locks: otherwise another process could
/// cache an image again in between, and this process would remove the new record. If there are many files, `space` closes them
/// afterwards. The result lists the images that cannot be removed; only locking returns an error.
pub(crate) fn remove_batch(
    inner: &CacheInner,
    ids: &[ImageId],
    enough: u64,
    (space, budget): (&mut DeferredClose<'_>, &DriverBudget),
    (reason, remove): (RemovalReason, Remove<'_>),
) -> Result<Vec<RemovedImage>> {
    let locked = inner.directory.lock_images(ids);
    let locked = inner.in_directory("lock", names::IMAGE_LOCKS, locked)?;
    let lock = inner.in_directory("lock", names::LOCK, inner.directory.lock())?;
    let (images, mut files) = unlink(inner, ids, enough, remove);
    drop(lock);
    if files.len() <= CLOSE_BATCH {
        // On a full file system, records can be written only after space is freed. With many files, the first batches free
        // enough.
        files.clear();
    }
    let is_gone = |(_, removed): &&RemovedImage| removed.is_ok();
    let gone: Vec<ImageId> = images.iter().filter(is_gone).map(|(id, _)| id.clone()).collect();
    // Their collected hits must not count for new images with the same ids.
    inner.hits.forget(&gone);
    if !gone.is_empty()
        && let Err(error) = inner.metadata.forget(&gone, budget)
    {
        // The images are removed; their records are removed when the driver works again.
        tracing::warn!(%error, "records of removed images remain for now");
    }
    drop(locked);
    let was_there = |(_, removed): &&RemovedImage| matches!(removed, Ok(Some(_)));
    inner.metadata.notify_removed(budget, reason, || {
        images.iter().filter(was_there).map(|(id, _)| id.clone()).collect()
    });
    space.close_later(files);
    Ok(images)
}

/// The results for a batch, and the files to close.
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

/// Whether the limit of open files is reached; the files that wait to be closed count.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
