//! Taking images out of the cache and the queue: file first, then records, so that a crash in between
//! leaves a record without its file, which opening forgets. The [order of the locks](image_cache_store) is told with them.

use crate::cache::{CacheInner, ImageCache};
use crate::error::{Error, Result};
use crate::metadata::Budget;
use image_cache_model::ImageId;
use image_cache_store::{CLOSE_BATCH, DeferredClose, UnlinkedFile};
use rustix::io::Errno;
use std::io;
use std::time::SystemTime;

/// Images that are removed under one hold of the locks.
pub(crate) const BATCH: usize = 64;

impl ImageCache {
    /// Puts an image at the end of the queue; false where it is cached, being cached or queued already.
    pub fn queue_image(&self, id: &str) -> Result<bool> {
        let inner = self.inner();
        let id = inner.image_id(id)?;
        let enqueue = || {
            let _lock = inner.directory.lock()?;
            if inner.directory.cached_file(&id)?.is_some()
                || inner.directory.is_being_written(&id)?
            {
                return Ok(false);
            }
            inner.directory.enqueue(&id, SystemTime::now())
        };
        enqueue().map_err(Error::image("queue", &id))
    }

    /// The queued images, in the order in which they were queued.
    pub fn queued_images(&self) -> Result<Vec<ImageId>> {
        self.inner().in_directory("read", "queue", self.inner().directory.queued())
    }

    /// Takes an image out of the queue; whether it was there.
    pub fn delete_queued_image(&self, id: &str) -> Result<bool> {
        let id = self.inner().image_id(id)?;
        self.inner().directory.dequeue(&id).map_err(Error::image("remove from the queue", &id))
    }

    /// Empties the queue; how many images were in it.
    pub fn delete_all_queued_images(&self) -> Result<u64> {
        let mut removed = 0;
        for id in self.queued_images()? {
            removed += u64::from(self.delete_queued_image(id.as_str())?);
        }
        Ok(removed)
    }

    /// Removes a cached image, file and record; whether it was there. Whoever reads it reads on to its end.
    pub fn delete_cached_image(&self, id: &str) -> Result<bool> {
        let id = self.inner().image_id(id)?;
        self.inner().flush();
        let images = remove_all(self.inner(), std::slice::from_ref(&id), delete)?;
        Ok(removed(images)? > 0)
    }

    /// Removes all cached images; how many there were. One that cannot be removed is an error, once all
    /// others are gone.
    pub fn delete_all_cached_images(&self) -> Result<u64> {
        let inner = self.inner();
        inner.flush();
        let ids: io::Result<Vec<ImageId>> = inner
            .directory
            .cached_files()
            .and_then(|files| files.map(|file| Ok(file?.0)).collect());
        let images = remove_all(inner, &inner.in_directory("read", "", ids)?, delete)?;
        removed(images)
    }
}

/// Takes cached images out of the queue, since they are wanted no more: a writer that died between publishing and
/// that left them there.
pub(crate) fn dequeue_cached(inner: &CacheInner) {
    let directory = &inner.directory;
    let dequeue_all = || -> io::Result<()> {
        for id in directory.queued()? {
            if directory.cached_file(&id)?.is_none() {
                continue;
            }
            // It may be removed and wanted anew meanwhile.
            let _lock = directory.lock()?;
            if directory.cached_file(&id)?.is_some() && directory.dequeue(&id)? {
                tracing::info!(image = %id, "it is cached: it was taken out of the queue");
            }
        }
        Ok(())
    };
    if let Err(error) = dequeue_all() {
        tracing::warn!(%error, "images that are cached may stay in the queue");
    }
}

/// What became of one image of a batch.
pub(crate) struct Removed {
    pub image_id: ImageId,
    /// The bytes that it had, or nothing where it is still there or was not there.
    pub size: Option<u64>,
    /// Why it is still there.
    pub kept: Option<io::Error>,
}

/// What a removal may answer: what is gone, or why the image stays.
pub(crate) type Removal = io::Result<Option<UnlinkedFile>>;

/// Removes images and their records, a batch after the other; afterwards all of their space is back.
pub(crate) fn remove_all(
    inner: &CacheInner,
    ids: &[ImageId],
    remove: impl Fn(&CacheInner, &ImageId) -> Removal,
) -> Result<Vec<Removed>> {
    let budget = Budget::of(ids.len() as u64);
    DeferredClose::scope(|space| {
        let mut images = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            images.extend(remove_batch(inner, ids, u64::MAX, (space, &budget), &remove)?);
        }
        Ok(images)
    })
}

/// Removes images and their records, until `enough` bytes have gone, with the images locked, since between the two another
/// process could cache an image anew and lose its record to us. Where they are many their `space` is given back after
/// that. What cannot be removed is told; only the locks can fail.
pub(crate) fn remove_batch(
    inner: &CacheInner,
    ids: &[ImageId],
    enough: u64,
    (space, budget): (&mut DeferredClose<'_>, &Budget),
    remove: impl Fn(&CacheInner, &ImageId) -> Removal,
) -> Result<Vec<Removed>> {
    let locked = inner.directory.lock_images(ids);
    let locked = inner.in_directory("lock", ".image-cache/images", locked)?;
    let lock = inner.in_directory("lock", ".image-cache/lock", inner.directory.lock())?;
    let (mut images, mut gone) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
    let mut files = Vec::with_capacity(2 * ids.len());
    let mut freed = 0u64;
    for id in ids {
        if freed >= enough {
            break;
        }
        let mut answer = remove(inner, id);
        if answer.as_ref().is_err_and(is_out_of_files) && !files.is_empty() {
            files.clear();
            answer = remove(inner, id);
        }
        let (size, kept) = match answer {
            Ok(file) => {
                let size = file.as_ref().map(|file| file.size);
                freed = freed.saturating_add(size.unwrap_or(0));
                files.extend(file);
                files.extend(inner.blocks.remove(id));
                gone.push(id.clone());
                (size, None)
            }
            Err(reason) => (None, Some(reason)),
        };
        images.push(Removed { image_id: id.clone(), size, kept });
    }
    drop(lock);
    if files.len() <= CLOSE_BATCH {
        // On a full file system records can be written once there is space. Those of many follow what the first batches free.
        files.clear();
    }
    // Their gathered hits are not those of whatever is cached under their names next.
    inner.hits.forget(&gone);
    if !gone.is_empty()
        && let Err(error) = inner.metadata.forget(&gone, budget)
    {
        // The images are gone; the records follow when the records work again.
        tracing::warn!(%error, "records of removed images remain for now");
    }
    drop(locked);
    space.close_later(files);
    Ok(images)
}

/// Whether this process or the system may open no further file: those that wait to be closed are in the way.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn delete(inner: &CacheInner, id: &ImageId) -> Removal {
    inner.directory.remove_cached(id)
}

/// How many images a batch removed; the first that is still there is an error.
fn removed(images: Vec<Removed>) -> Result<u64> {
    let mut removed = 0;
    for image in images {
        if let Some(source) = image.kept {
            return Err(Error::Image { operation: "delete", image_id: image.image_id, source });
        }
        removed += u64::from(image.size.is_some());
    }
    Ok(removed)
}
