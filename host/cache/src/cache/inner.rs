//! The state that the clones of a cache, its readers and its fills share, and the reconciliation of its records.

use crate::error::{Error, Result};
use crate::events::EventHub;
use crate::hits::HitLog;
use crate::live_config::LiveConfig;
use crate::metadata::{Backoff, DirectorySnapshot, MetadataStore};
use crate::metrics::CacheMetrics;
use crate::outcome::{CacheFailure, Outcome};
use crate::reconcile::Reconciler;
use crate::refusals::Refusals;
use crate::repeated_warning::RepeatedWarning;
use crate::single_flight::InFlight;
use image_cache_model::{CacheSize, Config, ImageId};
use image_cache_store::integrity::DigestStore;
use image_cache_store::process::Generation;
use image_cache_store::{Directory, OpenLock, ScanShard};
use std::io;
use std::sync::Arc;

/// Attempts to read the records, with repairs in between. They suffice to replace a failing driver and to reconcile the records
/// of the next one.
const READINGS: u32 = 5;

/// The state that the clones of a cache, its readers and its fills share: configuration, directory, records, digests and
/// counters.
///
/// Operations on images use it; its parts do not refer to it. The drop of the last reference writes the collected hits and closes
/// the records.
#[derive(Debug)]
pub(crate) struct CacheInner {
    /// The process that opened the cache: a forked child opens its own.
    pub process: Generation,
    pub live_config: Arc<LiveConfig>,
    pub directory: Arc<Directory>,
    pub metadata: Arc<MetadataStore>,
    pub digests: DigestStore,
    pub hits: Arc<HitLog>,
    pub in_flight: InFlight,
    pub refusals: Refusals,
    pub warnings: Vec<String>,
    /// The warning that these pinned images keep the cache above its limits.
    pub pins_warning: RepeatedWarning<Vec<ImageId>>,
    pub metrics: Arc<CacheMetrics>,
    pub events: Arc<EventHub>,
    /// The memory that its tokio readers may use.
    #[cfg(feature = "tokio")]
    pub read_budget: crate::tokio::ReadBudget,
    /// Prevents a process from using the cache exclusively.
    _in_use: OpenLock,
}

impl Drop for CacheInner {
    /// An orderly stop loses no hit, even if the records were just replaced.
    fn drop(&mut self) {
        if self.process.is_current() {
            self.flush();
            return self.events.close();
        }
        // The parent of this process writes its hits and closes its records itself. They are kept from being dropped here.
        std::mem::forget((Arc::clone(&self.metadata), Arc::clone(&self.hits)));
    }
}

impl CacheInner {
    /// Opens the directory, loads the driver, and reconciles records and queue with the directory.
    pub fn open(config: Config) -> Result<CacheInner> {
        let span =
            tracing::debug_span!("open", directory = %config.dir.display(), driver = config.driver);
        let _span = span.entered();
        let live_config = Arc::new(LiveConfig::new(config));
        let config = live_config.get();
        let directory = Arc::new(Directory::open(&config.dir, &config.sqlite_db)?);
        let in_use = directory.open_lock_shared();
        let in_use = in_use.map_err(Error::directory("open", directory.path_of("")))?;
        let warnings: Vec<String> = directory.file_system_warning().into_iter().collect();
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (metrics, events) = (Arc::<CacheMetrics>::default(), Arc::<EventHub>::default());
        let metadata = MetadataStore::open(
            Arc::clone(&live_config),
            Arc::clone(&directory),
            Arc::clone(&metrics),
            Arc::clone(&events),
        )?;
        let metadata = Arc::new(metadata);
        let hits = HitLog::new(Arc::clone(&metadata), config.hit_delay, config.policy_min_age);
        let inner = CacheInner {
            process: Generation::current(),
            live_config,
            digests: DigestStore::new(Arc::clone(&directory)),
            directory,
            metadata,
            hits,
            in_flight: InFlight::default(),
            refusals: Refusals::default(),
            warnings,
            pins_warning: RepeatedWarning::default(),
            metrics,
            events,
            #[cfg(feature = "tokio")]
            read_budget: crate::tokio::ReadBudget::default(),
            _in_use: in_use,
        };
        inner.reconcile();
        // If the driver failed and was replaced, the new driver's records must be reconciled.
        if !inner.metadata.sync.is_in_sync() {
            inner.reconcile();
        }
        inner.dequeue_cached();
        inner.warn_of_adopted_files();
        Ok(inner)
    }

    /// An error if this process is a forked child of the one that opened the image. It costs one read of memory.
    pub fn check_process(&self, image_id: &ImageId) -> Result<()> {
        if self.process.is_current() {
            return Ok(());
        }
        Err(Error::Forked { image_id: image_id.clone() })
    }

    /// The current configuration.
    pub fn config(&self) -> Arc<Config> {
        self.live_config.get()
    }

    pub fn image_id(&self, id: &str) -> Result<ImageId> {
        Ok(self.directory.image_id(id)?)
    }

    /// Repairs the records if they are dirty. Do not call it with the directory locked.
    pub fn reconcile(&self) {
        if let Err(error) = self.try_reconcile(Backoff::Respected) {
            tracing::warn!(%error, "records and directory differ; the cache reconciles them again later");
        }
    }

    /// Warns if the directory has just become a cache and had files: they count as images from now on.
    pub fn warn_of_adopted_files(&self) {
        if !self.directory.is_new() {
            return;
        }
        let count = self.cache_size().map_or(0, |size| size.images);
        if count > 0 {
            let path = self.directory.path().display();
            tracing::warn!(
                "{path} had files before it became a cache ({count}): they are cached images from now on, and the cache can evict them"
            );
        }
    }

    /// Like [`reconcile`](Self::reconcile), for a caller that needs the result.
    pub fn try_reconcile(&self, backoff: Backoff) -> Result<()> {
        self.metadata.reconcile_if_dirty(backoff, || self.reconciler().run())
    }

    fn reconciler(&self) -> Reconciler<'_> {
        let CacheInner { directory, metadata, digests, .. } = self;
        Reconciler { directory, metadata, digests }
    }

    /// Reconciles the records if other programs added or removed images in the directory. Do not call it with the directory
    /// locked.
    pub fn reconcile_if_changed(&self) {
        let changed = || self.in_directory("read", "", self.directory.modified());
        if let Err(error) =
            self.metadata.sync.reconcile_changes(changed, || self.reconciler().run())
        {
            tracing::warn!(%error, "records and directory may differ; the cache reconciles them again later");
        }
    }

    /// Reads the records; repairs them and reads again if they are dirty.
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

    /// Repairs the records and writes the collected hits.
    pub fn flush(&self) {
        self.reconcile();
        let mut flushed = self.hits.flush();
        if flushed.is_err() && !self.metadata.sync.is_in_sync() {
            // New records must contain the images before their hits.
            self.reconcile();
            flushed = self.hits.flush();
        }
        if let Err(error) = flushed {
            tracing::warn!(%error, "hits are not written yet; they wait until the records can be written");
        }
    }

    /// The size of the cache, and when the directory last changed.
    pub fn snapshot_directory(&self) -> Result<DirectorySnapshot> {
        let changed = self.in_directory("read", "", self.directory.modified())?;
        Ok(DirectorySnapshot { size: self.cache_size()?, changed })
    }

    /// The ids of all cached images, in any order.
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

    /// Runs an operation of the directory on one image.
    pub fn of_image<T>(
        &self,
        operation: &'static str,
        id: &str,
        ask: impl FnOnce(&Directory, &ImageId) -> io::Result<T>,
    ) -> Result<T> {
        let id = self.image_id(id)?;
        ask(&self.directory, &id).map_err(Error::image(operation, &id))
    }

    /// Adds the operation and the directory to an error.
    pub fn in_directory<T>(
        &self,
        operation: &'static str,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T> {
        result.map_err(Error::directory(operation, self.directory.path_of(name)))
    }

    /// Counts a read from a source.
    pub fn note_miss(&self, is_bypassing: bool) {
        let mut counters = self.metrics.counters();
        counters.misses += 1;
        counters.passed += u64::from(is_bypassing);
    }

    /// Counts and logs that the cache could not store an image.
    pub fn note_failure(&self, image: &ImageId, failure: CacheFailure) -> Outcome {
        self.metrics.record_failure(failure.name());
        tracing::warn!(%image, kind = failure.name(), reason = %failure, "the image is not cached");
        Outcome::CacheFailed(failure)
    }
}
