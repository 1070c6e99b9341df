//! All records, each of a file that is there, with the size that this has.

use crate::error::Result;
use crate::metadata::{DriverBudget, MetadataStore, PAGE, Pages};
use image_cache_model::CachedImage;
use image_cache_store::Directory;
use image_cache_store::sync::{both, lock};
use std::sync::Mutex;

/// What the records say of all images whose files are there, ordered by id.
///
/// To look at the files takes longer than to read the records. So where there is more than a page, two threads do both: one looks
/// at the files of a page while the other one has the driver read the next.
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
    // Those of each thread ascend, so that this merges the two.
    images.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    Ok(images)
}

struct Lister<'a> {
    directory: &'a Directory,
    /// Grows with the files that are found.
    budget: &'a DriverBudget,
    /// Those to come.
    pages: Mutex<Pages<'a>>,
}

impl Lister<'_> {
    /// The next page as the driver has it; of the last one that this thread had, so many had no file.
    fn next(&self, orphans: usize) -> Result<Option<Vec<CachedImage>>> {
        lock(&self.pages).next(orphans)
    }

    /// The images of this page, and of those that this thread comes to read.
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
