//! The records of all cached images, page by page.

use super::{Books, Budget, PAGE, STRANGERS};
use crate::error::{Error, Result};
use image_cache_model::{CachedImage, ImageId};

/// A pass over the books, in the order of ids.
pub(crate) struct Pages<'a> {
    books: &'a Books,
    budget: &'a Budget,
    after: Option<ImageId>,
    strangers: usize,
    over: bool,
}

impl Books {
    /// A pass that begins at the front, within this budget.
    pub fn pages<'a>(&'a self, budget: &'a Budget) -> Pages<'a> {
        Pages { books: self, budget, after: None, strangers: 0, over: false }
    }
}

impl Pages<'_> {
    /// The next page, or none at the end and after an error. `strangers` are those records of earlier pages that turned out to
    /// have no file, and were not told of yet: books that were away may have some, and those of a liar have no end.
    pub fn next(&mut self, strangers: usize) -> Result<Option<Vec<CachedImage>>> {
        if self.over {
            return Ok(None);
        }
        self.strangers += strangers;
        let page = match self.strangers > STRANGERS && !self.books.are_trusted() {
            true => Err(self.endless()),
            false => self.books.cached_images(self.after.as_ref(), PAGE, self.budget),
        };
        let last = page.as_ref().ok().and_then(|page| page.last());
        self.over = last.is_none();
        self.after = last.map(|image| image.image_id.clone());
        page.map(|page| (!self.over).then_some(page))
    }

    fn endless(&self) -> Error {
        let driver = self.books.in_use().driver.name().to_owned();
        let reason = format!("it lists more than {STRANGERS} images that are not cached");
        self.books.distrust("end a list", &reason);
        Error::Books { operation: "end a list", driver, reason }
    }
}
