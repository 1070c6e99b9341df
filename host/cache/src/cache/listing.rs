//! Lists the records of all existing files, with the sizes of the files.

use crate::error::Result;
use crate::metadata::{DriverBudget, MetadataStore, PAGE, Pages};
use image_cache_model::CachedImage;
use image_cache_store::Directory;
use image_cache_store::sync::{both, lock};
use std::sync::Mutex;

/// The records of all images whose files exist, ordered by id.
///
/// Reading the inodes of the files takes longer than reading the records. So if there is more than one page, two threads share
/// the work: one checks the files of a page while the other reads the next page from the driver.
pub(super) fn list_images(
    directory: &Directory,
    metadata: &MetadataStore,
) -> Result<Vec<CachedImage>> {
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
        Some(CachedImage { size: file.size, ..image })
    }
}
