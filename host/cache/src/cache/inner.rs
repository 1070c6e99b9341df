//! What the clones of a cache, its readers and its fills share, and how its books are brought up to date.

use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::hits::HitLog;
use crate::metadata::{Books, Held};
use crate::metrics::Tally;
use crate::single_flight::Flights;
use image_cache_model::{CacheSize, Config, ImageId};
use image_cache_store::integrity::Blocks;
use image_cache_store::{Directory, Share, Use};
use std::io;
use std::sync::Arc;

/// How often the books are read where they fail and are repaired in between: within so many a driver that keeps failing
/// is replaced, and the next one's books are in step.
const READINGS: u32 = 5;

/// What the clones of a cache, its readers and its fills share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: Arc<Config>,
    pub directory: Arc<Directory>,
    pub books: Arc<Books>,
    pub blocks: Blocks,
    pub hits: Arc<HitLog>,
    pub flights: Flights,
    pub warnings: Vec<String>,
    pub tally: Arc<Tally>,
    /// What its readers in tokio may hold in memory.
    #[cfg(feature = "tokio")]
    pub read_budget: crate::tokio::ReadBudget,
    /// Keeps away who wants the cache for himself alone.
    pub(super) _in_use: Use,
}

impl Drop for Shared {
    /// An orderly stop loses no hit, not even where books were replaced a moment ago.
    fn drop(&mut self) {
        self.bring_up_to_date();
    }
}

impl Shared {
    pub fn image_id(&self, id: &str) -> Result<ImageId> {
        Ok(self.directory.image_id(id)?)
    }

    /// Repairs the books where something could not be written before. Not with the directory locked.
    pub fn settle(&self) {
        let repair = || crate::reconcile::reconcile(self);
        if let Err(error) = self.books.settle(repair) {
            tracing::warn!(%error, "books and directory differ; it is tried again");
        }
    }

    /// Takes note of images that others put into the directory or took out of it, without the cache. Not with the directory locked.
    pub fn take_note_of_changes(&self) {
        let changed = || self.in_directory("read", "", self.directory.changed());
        let repair = || crate::reconcile::reconcile(self);
        if let Err(error) = self.books.reconcile_changes(changed, repair) {
            tracing::warn!(%error, "books and directory may differ; it is tried again");
        }
    }

    /// Reads the books, and again where they failed meanwhile and were repaired.
    pub fn read_books<T>(&self, read: impl Fn(&Books) -> Result<T>) -> Result<T> {
        for _ in 1..READINGS {
            let answer = read(&self.books);
            if self.books.in_step() {
                return answer;
            }
            self.settle();
        }
        read(&self.books)
    }

    /// The books as this process knows them, gathered hits included.
    pub fn bring_up_to_date(&self) {
        self.settle();
        let mut flushed = self.hits.flush();
        if flushed.is_err() && !self.books.in_step() {
            // Books that turned out to be new ones have to know the images first.
            self.settle();
            flushed = self.hits.flush();
        }
        if let Err(error) = flushed {
            tracing::warn!(%error, "hits wait until the books can be written");
        }
    }

    /// What is cached, and when that changed last.
    pub fn held(&self) -> Result<Held> {
        let changed = self.in_directory("read", "", self.directory.changed())?;
        Ok(Held { size: self.cache_size()?, changed })
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        let count = |files: Share<'_>| {
            let mut size = CacheSize::default();
            for file in files {
                size.images += 1;
                size.bytes += file?.1.size;
            }
            Ok(size)
        };
        let shares = self.in_directory("read", "", self.directory.in_shares(count))?;
        Ok(shares.into_iter().fold(CacheSize::default(), |all, share| CacheSize {
            images: all.images + share.images,
            bytes: all.bytes + share.bytes,
        }))
    }

    /// Names the directory in which something failed.
    pub fn in_directory<T>(
        &self,
        operation: &'static str,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T> {
        result.map_err(|source| Error::Directory {
            operation,
            path: self.directory.path_of(name),
            source,
        })
    }

    /// Counts a read through a source.
    pub fn note_miss(&self, fill: &Fill) {
        self.tally.misses.one();
        if fill.futile().is_some() {
            self.tally.passed.one();
        }
    }

    /// Counts and logs that the cache could not keep an image.
    pub fn note_failure(&self, image: &ImageId, reason: &str) {
        self.tally.cache_failures.one();
        tracing::warn!(%image, reason, "the image is not cached");
    }
}
