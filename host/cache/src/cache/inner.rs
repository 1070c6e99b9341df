//! What the clones of a cache, its readers and its fills share, and how its records are brought up to date.

use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::hits::HitLog;
use crate::metadata::{DirectorySnapshot, MetadataStore};
use crate::metrics::Metrics;
use crate::single_flight::InFlight;
use image_cache_model::{CacheSize, Config, ImageId};
use image_cache_store::integrity::DigestStore;
use image_cache_store::{Directory, OpenLock, ScanShard};
use std::io;
use std::sync::Arc;

/// How often the records are read where they fail and are repaired in between: within so many a driver that keeps failing
/// is replaced, and the next one's records are in sync.
const READINGS: u32 = 5;

/// What the clones of a cache, its readers and its fills share.
#[derive(Debug)]
pub(crate) struct CacheInner {
    pub config: Arc<Config>,
    pub directory: Arc<Directory>,
    pub metadata: Arc<MetadataStore>,
    pub blocks: DigestStore,
    pub hits: Arc<HitLog>,
    pub in_flight: InFlight,
    pub warnings: Vec<String>,
    pub metrics: Arc<Metrics>,
    /// What its readers in tokio may hold in memory.
    #[cfg(feature = "tokio")]
    pub read_budget: crate::tokio::ReadBudget,
    /// Keeps away who wants the cache for himself alone.
    pub(super) _in_use: OpenLock,
}

impl Drop for CacheInner {
    /// An orderly stop loses no hit, not even where records were replaced a moment ago.
    fn drop(&mut self) {
        self.flush();
    }
}

impl CacheInner {
    pub fn image_id(&self, id: &str) -> Result<ImageId> {
        Ok(self.directory.image_id(id)?)
    }

    /// Repairs the records where something could not be written before. Not with the directory locked.
    pub fn reconcile(&self) {
        let repair = || crate::reconcile::reconcile(self);
        if let Err(error) = self.metadata.reconcile_if_dirty(repair) {
            tracing::warn!(%error, "records and directory differ; it is tried again");
        }
    }

    /// Takes note of images that others put into the directory or took out of it, without the cache. Not with the directory locked.
    pub fn take_note_of_changes(&self) {
        let changed = || self.in_directory("read", "", self.directory.modified());
        let repair = || crate::reconcile::reconcile(self);
        if let Err(error) = self.metadata.reconcile_changes(changed, repair) {
            tracing::warn!(%error, "records and directory may differ; it is tried again");
        }
    }

    /// Reads the records, and again where they failed meanwhile and were repaired.
    pub fn read_metadata<T>(&self, read: impl Fn(&MetadataStore) -> Result<T>) -> Result<T> {
        for _ in 1..READINGS {
            let answer = read(&self.metadata);
            if self.metadata.is_in_sync() {
                return answer;
            }
            self.reconcile();
        }
        read(&self.metadata)
    }

    /// The records as this process knows them, gathered hits included.
    pub fn flush(&self) {
        self.reconcile();
        let mut flushed = self.hits.flush();
        if flushed.is_err() && !self.metadata.is_in_sync() {
            // Books that turned out to be new ones have to know the images first.
            self.reconcile();
            flushed = self.hits.flush();
        }
        if let Err(error) = flushed {
            tracing::warn!(%error, "hits wait until the records can be written");
        }
    }

    /// What is cached, and when that changed last.
    pub fn held(&self) -> Result<DirectorySnapshot> {
        let changed = self.in_directory("read", "", self.directory.modified())?;
        Ok(DirectorySnapshot { size: self.cache_size()?, changed })
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        let count = |files: ScanShard<'_>| {
            let mut size = CacheSize::default();
            for file in files {
                size.images += 1;
                size.bytes += file?.1.size;
            }
            Ok(size)
        };
        let shares = self.in_directory("read", "", self.directory.scan_in_shards(count))?;
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
        self.metrics.misses.inc();
        if fill.bypass_reason().is_some() {
            self.metrics.passed.inc();
        }
    }

    /// Counts and logs that the cache could not keep an image.
    pub fn note_failure(&self, image: &ImageId, reason: &str) {
        self.metrics.cache_failures.inc();
        tracing::warn!(%image, reason, "the image is not cached");
    }
}
