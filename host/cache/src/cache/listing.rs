//! Lists the records of all existing files, with the sizes of the files.

use super::{CacheInner, ImageCache};
use crate::error::Result;
use crate::metadata::{DriverBudget, MetadataStore, PAGE, Pages};
use crate::reconcile::adopted;
use image_cache_model::{CachedImage, ImageId};
use image_cache_store::Directory;
use image_cache_store::sync::{both, lock};
use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

/// Images that the driver is asked for once more, at most.
const CHECKED_AGAIN: usize = 100;

/// All cached images, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageList {
    /// Their records; for an image without a record, one that was made from its file.
    pub images: Vec<CachedImage>,
    /// The images without a record: the directory has them, but the driver does not list them.
    pub without_record: BTreeSet<ImageId>,
}

impl ImageCache {
    /// The records of all cached images, ordered by id.
    pub fn cached_images(&self) -> Result<Vec<CachedImage>> {
        Ok(self.list_images()?.images)
    }

    /// The same, and which of the images the driver does not list.
    pub fn list_images(&self) -> Result<ImageList> {
        let inner = self.inner()?;
        inner.flush();
        inner.reconcile_if_changed();
        let images = inner.read_metadata(|metadata| list_images(&inner.directory, metadata))?;
        let list = ImageList { images, without_record: BTreeSet::new() };
        // A built-in driver lists what it has, and its records were just compared with the directory.
        if inner.metadata.is_built_in() { Ok(list) } else { list.completed(inner) }
    }
}

impl ImageList {
    /// Adds the files that the driver does not list.
    fn completed(mut self, inner: &CacheInner) -> Result<ImageList> {
        let is_listed =
            |id: &ImageId| self.images.binary_search_by(|image| image.image_id.cmp(id)).is_ok();
        let missing = |file: &io::Result<_>| match file {
            Ok((id, _)) => !is_listed(id),
            Err(_) => true,
        };
        let files = inner.directory.cached_files();
        let files = files.and_then(|files| files.filter(missing).collect::<io::Result<Vec<_>>>());
        for (checked, (id, file)) in inner.in_directory("read", "", files)?.into_iter().enumerate()
        {
            // It may have been cached after its page was read.
            let record = match checked < CHECKED_AGAIN {
                true => inner.metadata.cached_image(&id, &DriverBudget::one_call()).ok().flatten(),
                false => None,
            };
            if record.is_none() {
                self.without_record.insert(id.clone());
            }
            self.images.push(record.unwrap_or_else(|| adopted(&id, &file)));
        }
        self.images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
        if !self.without_record.is_empty() {
            let (driver, images) = (inner.metadata.status().name, self.without_record.len());
            tracing::warn!(driver, images, "the driver does not list some cached images");
        }
        Ok(self)
    }
}

/// The records of all images whose files exist, ordered by id.
///
/// Reading the inodes of the files takes longer than reading the records. So if there is more than one page, two threads share
/// the work: one checks the files of a page while the other reads the next page from the driver.
fn list_images(directory: &Directory, metadata: &MetadataStore) -> Result<Vec<CachedImage>> {
    let budget = DriverBudget::of(0);
    let list = Lister { directory, budget: &budget, pages: Mutex::new(metadata.pages(&budget)) };
    let first = list.next(0)?;
    if first.as_ref().is_none_or(|page| page.len() < PAGE as usize) {
        return list.from(first);
    }
    let others = || list.next(0).and_then(|page| list.from(page));
    let (mine, theirs) = both(|| list.from(first), others);
    let mut images = mine?;
    images.extend(theirs?);
    // The images of each thread are in order, so this merges two sorted parts.
    images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    Ok(images)
}

struct Lister<'a> {
    directory: &'a Directory,
    /// Increased for each file that is found.
    budget: &'a DriverBudget,
    /// The remaining pages.
    pages: Mutex<Pages<'a>>,
}

impl Lister<'_> {
    /// The next page from the driver; `orphans` is the number of records without a file in this thread's previous page.
    fn next(&self, orphans: usize) -> Result<Option<Vec<CachedImage>>> {
        lock(&self.pages).next(orphans)
    }

    /// The images of this page, and of the following ones that this thread reads.
    fn from(&self, mut page: Option<Vec<CachedImage>>) -> Result<Vec<CachedImage>> {
        let mut found = Vec::new();
        while let Some(images) = page {
            let (listed, before) = (images.len(), found.len());
            found.extend(images.into_iter().filter_map(|image| self.with_file_size(image)));
            let there = found.len() - before;
            self.budget.allow(there as u64);
            page = self.next(listed - there)?;
        }
        Ok(found)
    }

    fn with_file_size(&self, image: CachedImage) -> Option<CachedImage> {
        let file = self.directory.cached_file(&image.image_id).ok()??;
        Some(image.with_size(file.size))
    }
}
