//! The records of all cached images, page by page.

use super::{DriverBudget, MAX_ORPHAN_RECORDS, MetadataStore, PAGE};
use crate::error::{DriverFailure, Error, Result};
use image_cache_model::{CachedImage, ImageId};

/// An iteration over the records, in the order of ids.
pub(crate) struct Pages<'a> {
    metadata: &'a MetadataStore,
    budget: &'a DriverBudget,
    after: Option<ImageId>,
    orphans: usize,
    over: bool,
}

impl MetadataStore {
    /// Starts an iteration at the first record, within this budget.
    pub fn pages<'a>(&'a self, budget: &'a DriverBudget) -> Pages<'a> {
        Pages { metadata: self, budget, after: None, orphans: 0, over: false }
    }
}

impl Pages<'_> {
    /// The next page, or none at the end and after an error. `orphans` is the number of records without a file in the earlier
    /// pages, as far as it was not passed before. Some orphans are normal; a hostile driver may list them without end.
    pub fn next(&mut self, orphans: usize) -> Result<Option<Vec<CachedImage>>> {
        if self.over {
            return Ok(None);
        }
        self.orphans += orphans;
        let page = match self.orphans > MAX_ORPHAN_RECORDS && !self.metadata.is_built_in() {
            true => Err(self.endless()),
            false => self.metadata.cached_images(self.after.as_ref(), PAGE, self.budget),
        };
        let last = page.as_ref().ok().and_then(|page| page.last());
        self.over = last.is_none();
        self.after = last.map(|image| image.image_id.clone());
        page.map(|page| (!self.over).then_some(page))
    }

    fn endless(&self) -> Error {
        let (in_use, operation) = (self.metadata.in_use(), "end a list");
        let reason = DriverFailure::EndlessList { most: MAX_ORPHAN_RECORDS };
        self.metadata.distrust(operation, reason.clone());
        in_use.error(operation, reason)
    }
}
