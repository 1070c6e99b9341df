//! What the clones of a cache, its readers and its fills share, and how its records are brought up to date.

use crate::error::{Error, Result};
use crate::hits::HitLog;
use crate::metadata::{Backoff, DirectorySnapshot, MetadataStore};
use crate::metrics::CacheMetrics;
use crate::outcome::{CacheFailure, Outcome};
use crate::reconcile::Reconciler;
use crate::single_flight::InFlight;
use image_cache_model::{CacheSize, Config, ImageId};
use image_cache_store::integrity::DigestStore;
use image_cache_store::{Directory, OpenLock, ScanShard};
use std::io;
use std::sync::Arc;

/// How often the records are read where they fail and are repaired in between: within so many a driver that keeps failing
/// is replaced, and the next one's records are in sync.
const READINGS: u32 = 5;

/// What the clones of a cache, its readers and its fills share: configuration, directory, records, digests and counters.
///
/// Operations on images work on it, and the parts that it holds do not know it. To drop the last reference writes the gathered
/// hits and closes the records.
#[derive(Debug)]
pub(crate) struct CacheInner {
    pub config: Arc<Config>,
    pub directory: Arc<Directory>,
    pub metadata: Arc<MetadataStore>,
    pub digests: DigestStore,
    pub hits: Arc<HitLog>,
    pub in_flight: InFlight,
    pub warnings: Vec<String>,
    pub metrics: Arc<CacheMetrics>,
    /// What its readers in tokio may hold in memory.
    #[cfg(feature = "tokio")]
    pub read_budget: crate::tokio::ReadBudget,
    /// Keeps away a process that needs the cache for itself alone.
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
        if let Err(error) = self.try_reconcile(Backoff::Respected) {
            tracing::warn!(%error, "records and directory differ; it is tried again");
        }
    }

    /// The same, for a caller that needs to know whether they were repaired.
    pub fn try_reconcile(&self, backoff: Backoff) -> Result<()> {
        self.metadata.reconcile_if_dirty(backoff, || self.reconciler().run())
    }

    fn reconciler(&self) -> Reconciler<'_> {
        let CacheInner { directory, metadata, digests, .. } = self;
        Reconciler { directory, metadata, digests }
    }

    /// Takes note of images that others put into the directory or took out of it, without the cache. Not with the directory locked.
    pub fn reconcile_if_changed(&self) {
        let changed = || self.in_directory("read", "", self.directory.modified());
        if let Err(error) =
            self.metadata.sync.reconcile_changes(changed, || self.reconciler().run())
        {
            tracing::warn!(%error, "records and directory may differ; it is tried again");
        }
    }

    /// Reads the records, and again if they failed meanwhile and were repaired.
    pub fn read_metadata<T>(&self, read: impl Fn(&MetadataStore) -> Result<T>) -> Result<T> {
        for _ in 1..READINGS {
            let answer = read(&self.metadata);
            if self.metadata.sync.is_in_sync() {
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
        if flushed.is_err() && !self.metadata.sync.is_in_sync() {
            // Records that turned out to be new have to know the images first.
            self.reconcile();
            flushed = self.hits.flush();
        }
        if let Err(error) = flushed {
            tracing::warn!(%error, "hits wait until the records can be written");
        }
    }

    /// What the directory holds, and when that changed last.
    pub fn snapshot_directory(&self) -> Result<DirectorySnapshot> {
        let changed = self.in_directory("read", "", self.directory.modified())?;
        Ok(DirectorySnapshot { size: self.cache_size()?, changed })
    }

    /// The ids of all cached images, in no order.
    pub fn cached_ids(&self) -> Result<Vec<ImageId>> {
        let files = self.directory.cached_files();
        let ids = files.and_then(|files| files.map(|file| Ok(file?.0)).collect());
        self.in_directory("read", "", ids)
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

    /// Asks the directory about one image.
    pub fn of_image<T>(
        &self,
        operation: &'static str,
        id: &str,
        ask: impl FnOnce(&Directory, &ImageId) -> io::Result<T>,
    ) -> Result<T> {
        let id = self.image_id(id)?;
        ask(&self.directory, &id).map_err(Error::image(operation, &id))
    }

    /// Names the directory in which something failed.
    pub fn in_directory<T>(
        &self,
        operation: &'static str,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T> {
        result.map_err(Error::directory(operation, self.directory.path_of(name)))
    }

    /// Counts a read through a source.
    pub fn note_miss(&self, is_bypassing: bool) {
        let mut counters = self.metrics.counters();
        counters.misses += 1;
        counters.passed += u64::from(is_bypassing);
    }

    /// Counts and logs that the cache could not keep an image.
    pub fn note_failure(&self, image: &ImageId, failure: CacheFailure) -> Outcome {
        self.metrics.counters().cache_failures += 1;
        tracing::warn!(%image, kind = failure.name(), reason = %failure, "the image is not cached");
        Outcome::CacheFailed(failure)
    }
}
