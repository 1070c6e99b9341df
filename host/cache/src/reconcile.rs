//! Reconciles the records with the directory, which determines what is cached.

use crate::error::{Error, Result};
use crate::metadata::{DirectorySnapshot, DriverBudget, MetadataStore, Reconciled};
use image_cache_model::{CacheSize, CachedImage, ImageId, RemovalReason};
use image_cache_store::integrity::DigestStore;
use image_cache_store::sync::{WORTH_A_THREAD, both};
use image_cache_store::{Directory, FileInfo};
use std::io;

/// What was done for one image.
enum Repair {
    None,
    /// It has a record of its file now.
    Recorded,
    /// The image of its record was removed by another program, or replaced.
    Removed(RemovalReason),
}

/// Reconciles the records with the directory. It holds no lock between two images.
pub(crate) struct Reconciler<'a> {
    pub directory: &'a Directory,
    pub metadata: &'a MetadataStore,
    pub digests: &'a DigestStore,
}

impl Reconciler<'_> {
    /// Adopts files without a record, forgets orphan records, and replaces records of another file. Do not call it with an image
    /// locked: each repair takes the image's lock and checks again.
    pub fn run(&self) -> Result<Reconciled> {
        let _span = tracing::debug_span!("reconcile").entered();
        let changed = self.in_directory(self.directory.modified())?;
        let files = self.directory.scan_in_shards(|files| files.collect::<io::Result<Vec<_>>>());
        let mut files = self.in_directory(files)?.concat();
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let budget = DriverBudget::of(files.len() as u64);
        let sweep = || self.digests.sweep(files.iter().map(|(id, _)| id));
        // Sweeping the digests does not need the records, so both run in parallel.
        let differing = if files.len() >= WORTH_A_THREAD {
            both(|| self.differing(&files, &budget), sweep).0?
        } else {
            sweep();
            self.differing(&files, &budget)?
        };
        let is_whole = self.repair_all(&differing, &budget)?;
        let bytes = files.iter().map(|(_, file)| file.size).sum();
        let size = CacheSize { images: files.len() as u64, bytes };
        let held = DirectorySnapshot { size, changed };
        Ok(if is_whole { Reconciled::Whole(held) } else { Reconciled::InPart })
    }

    fn in_directory<T>(&self, result: io::Result<T>) -> Result<T> {
        result.map_err(Error::directory("read", self.directory.path_of("")))
    }

    /// Repairs the records of these images; false if the records of some could not be repaired.
    fn repair_all(&self, differing: &[ImageId], budget: &DriverBudget) -> Result<bool> {
        let driver = self.metadata.in_use();
        let (mut repairs, mut unrepaired, mut removed) = (0u64, 0u64, Vec::new());
        for id in differing {
            match self.repair(id, budget) {
                Ok(Repair::None) => {}
                Ok(Repair::Recorded) => repairs += 1,
                Ok(Repair::Removed(reason)) => {
                    repairs += 1;
                    removed.push((id, reason));
                }
                // The lock of each other image would take as long.
                Err(error) if is_time_out(&error) => return Err(error),
                // Another driver has replaced it, with other records.
                Err(error) if !self.metadata.is_served_by(&driver) => return Err(error),
                // An error of one file must not prevent the records of all others.
                Err(error) => {
                    tracing::warn!(image = %id, %error, "its record is wrong or missing for now");
                    unrepaired += 1;
                }
            }
        }
        for reason in [RemovalReason::Missing, RemovalReason::Replaced] {
            let of_reason = removed.iter().filter(|(_, why)| *why == reason);
            let ids: Vec<ImageId> = of_reason.map(|(id, _)| ImageId::clone(id)).collect();
            self.metadata.notify_removed(budget, reason, || ids);
        }
        if repairs > 0 {
            tracing::info!(repairs, "the records were reconciled with the directory");
        }
        Ok(unrepaired == 0)
    }

    /// The images without a record, with a record that differs from the file, and those of orphan records.
    fn differing(
        &self,
        files: &[(ImageId, FileInfo)],
        budget: &DriverBudget,
    ) -> Result<Vec<ImageId>> {
        let (mut differing, mut pages, mut orphans) = (Vec::new(), self.metadata.pages(budget), 0);
        // Both are sorted by id.
        let mut files = files.iter().peekable();
        while let Some(page) = pages.next(orphans)? {
            orphans = 0;
            for record in page {
                while let Some((id, _)) = files.next_if(|(id, _)| *id < record.image_id) {
                    differing.push(id.clone());
                }
                let file = files.next_if(|(id, _)| *id == record.image_id);
                orphans += usize::from(file.is_none());
                if !file.is_some_and(|(_, file)| agree(&record, file)) {
                    differing.push(record.image_id);
                }
            }
        }
        differing.extend(files.map(|(id, _)| id.clone()));
        Ok(differing)
    }

    /// Checks again under the image's lock and repairs the record.
    fn repair(&self, id: &ImageId, budget: &DriverBudget) -> Result<Repair> {
        let in_file = |source| Error::image("examine", id)(source);
        let _image = self.directory.lock_image(id).map_err(in_file)?;
        let file = self.directory.cached_file(id).map_err(in_file)?;
        let record = self.metadata.cached_image(id, budget)?;
        let (repair, adopted) = match (file, record) {
            (None, None) => return Ok(Repair::None),
            (None, Some(_)) => {
                tracing::debug!(image = %id, "its file was removed: its record is removed");
                self.metadata.forget(std::slice::from_ref(id), budget)?;
                return Ok(Repair::Removed(RemovalReason::Missing));
            }
            (Some(file), Some(record)) if agree(&record, &file) => return Ok(Repair::None),
            (Some(file), Some(record)) => {
                if is_of(&record, &file) {
                    let _lock = self.directory.lock().map_err(in_file)?;
                    self.digests.remove_if_replaced(id, record.last_modified);
                }
                let repair = match is_of(&record, &file) {
                    true => Repair::Recorded,
                    false => Repair::Removed(RemovalReason::Replaced),
                };
                (repair, renewed(&record, &file))
            }
            (Some(file), None) => (Repair::Recorded, adopted(id, &file)),
        };
        tracing::debug!(image = %id, "it is adopted from its file");
        self.metadata.record_cached(&adopted, None, budget)?;
        Ok(repair)
    }
}

fn is_time_out(error: &Error) -> bool {
    matches!(error, Error::Image { source, .. } if source.kind() == io::ErrorKind::TimedOut)
}

/// Whether a record is of this file.
pub(crate) fn agree(record: &CachedImage, file: &FileInfo) -> bool {
    record.size == file.size && record.last_modified == file.modified
}

/// The record of a file that has none.
pub(crate) fn adopted(id: &ImageId, file: &FileInfo) -> CachedImage {
    CachedImage::new(id.clone(), file.size, file.modified).with_last_accessed(file.accessed)
}

/// Whether a record with another time is of this file: Glance records the time of its own commit, a little after the last write
/// of the file.
fn is_of(record: &CachedImage, file: &FileInfo) -> bool {
    record.size == file.size && record.last_modified >= file.modified
}

/// The new record of a file whose record has another size or time. It keeps hits and last access if the old record is of the same
/// file, not of a replaced one.
pub(crate) fn renewed(record: &CachedImage, file: &FileInfo) -> CachedImage {
    if !is_of(record, file) {
        return adopted(&record.image_id, file);
    }
    record.clone().with_last_modified(file.modified).with_checksum(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CacheInner;
    use crate::{Config, ImageCache};

    #[test]
    fn a_held_lock_causes_one_wait_and_not_one_for_each_image() {
        let place = tempfile::tempdir().expect("a directory");
        let config = Config::builder(place.path()).build().expect("it is valid");
        let cache = ImageCache::open(config).expect("it opens");
        let ids: Vec<ImageId> =
            (0..30).map(|n| format!("image-{n}").parse().expect("an id")).collect();
        for id in &ids {
            std::fs::write(place.path().join(id.as_str()), b"image").expect("it can be written");
        }
        let inner = cache.inner().expect("it is open");
        let held = inner.directory.lock_images(&ids).expect("they are free");
        let begun = std::time::Instant::now();
        let CacheInner { metadata, digests, .. } = &**inner;
        let opened = Directory::open(place.path(), "cache.db".as_ref()).expect("it opens again");
        let directory = &opened.with_lock_timeout(std::time::Duration::from_secs(2));
        let reconciler = Reconciler { directory, metadata, digests };
        let error = reconciler.run().expect_err("the locks are held");
        let words = "another process records or removes the same image";
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(10),
            "one wait takes 2 s, 30 take 60 s"
        );
        drop(held);
        assert!(matches!(reconciler.run(), Ok(Reconciled::Whole(held)) if held.size.images == 30));
        assert_eq!(cache.cached_images().expect("they are listed").len(), 30);
    }
}
