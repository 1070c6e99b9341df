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
    let list =
        Lister { directory, budget: &budget, pages: Mutex::new((0, metadata.pages(&budget))) };
    let first = list.next(0)?;
    let is_long = first.as_ref().is_some_and(|page| page.images.len() >= PAGE as usize);
    let mut found = if is_long {
        let others = || list.next(0).and_then(|page| list.from(page));
        let (mine, theirs) = both(|| list.from(first), others);
        let mut found = mine?;
        found.extend(theirs?);
        found
    } else {
        list.from(first)?
    };
    found.sort_unstable_by_key(|page| page.number);
    Ok(found.into_iter().flat_map(|page| page.images).collect())
}

struct ListPage {
    number: usize,
    images: Vec<CachedImage>,
}

struct Lister<'a> {
    directory: &'a Directory,
    /// Grows with the files that are found.
    budget: &'a DriverBudget,
    /// How many were read, and those to come.
    pages: Mutex<(usize, Pages<'a>)>,
}

impl Lister<'_> {
    /// The next page as the driver has it; of the last one that this thread had, so many had no file.
    fn next(&self, orphans: usize) -> Result<Option<ListPage>> {
        let (read, pages) = &mut *lock(&self.pages);
        let images = pages.next(orphans)?;
        *read += 1;
        Ok(images.map(|images| ListPage { number: *read, images }))
    }

    /// This page, and those that this thread comes to read.
    fn from(&self, mut page: Option<ListPage>) -> Result<Vec<ListPage>> {
        let mut found = Vec::new();
        while let Some(ListPage { number, images }) = page {
            let listed = images.len();
            let images: Vec<_> =
                images.into_iter().filter_map(|image| self.with_file_size(image)).collect();
            self.budget.allow(images.len() as u64);
            page = self.next(listed - images.len())?;
            found.push(ListPage { number, images });
        }
        Ok(found)
    }

    fn with_file_size(&self, image: CachedImage) -> Option<CachedImage> {
        let file = self.directory.cached_file(&image.image_id).ok()??;
        Some(CachedImage { size: file.size, ..image })
    }
}
