//! Queries of the cache: whether an image is cached, its size, its hits, and lists of images.

use super::ImageCache;
use crate::error::{Error, Result};
use crate::metadata::{
    DriverBudget, DriverStatus, Fallback, FallbackReason, LastFallback, last_fallback,
};
use crate::metrics::{CacheMetric, Counters};
use image_cache_engine::DriverMetric;
use image_cache_model::{AdmissionRequest, CacheSize, CachedImage, Decision, LeftoverState};
use image_cache_store::{Directory, RunningProcess, names};
use std::sync::Arc;
use std::time::SystemTime;

/// The result of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The driver in use in this process.
    pub driver: DriverStatus,
    /// The other processes that have the cache open, with the drivers that they use, by their ids.
    pub running: Vec<RunningProcess>,
    /// The last fallback of any process from the configured driver within a week, unless a process loaded that driver
    /// again since (`reload_driver`). A process that cannot load the driver while another one uses it does not count.
    pub last_fallback: Option<LastFallback>,
    /// Images and bytes cached.
    pub cached: CacheSize,
    /// `image_cache_max_size`, in bytes.
    pub max_size: u64,
    /// `image_cache_max_images`, if it is set.
    pub max_images: Option<u64>,
    /// Free inodes of the file system; `None` if it does not count them.
    pub free_inodes: Option<u64>,
    /// `image_cache_min_free_inodes`.
    pub min_free_inodes: u64,
    /// Entries in `queue/`.
    pub queued: u64,
    /// Files in `incomplete/`, with or without a live writer.
    pub incomplete: u64,
    /// Files in `invalid/`.
    pub invalid: u64,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
    /// Fills that failed because of the cache, not the source, since it was opened.
    pub cache_failures: u64,
}

impl Status {
    /// The gauges with their names and help texts, for an exporter, beside those of [`Counters::metrics`]. What is not limited or
    /// cannot be measured is missing. The service exports the same list.
    pub fn metrics(&self) -> Vec<CacheMetric> {
        let is_fallback = self.driver.fallback.is_some();
        let min_free_inodes = Some(self.min_free_inodes).filter(|kept| *kept > 0);
        let gauges = [
            ("cached_images", "Images in the cache", Some(self.cached.images)),
            ("cached_bytes", "Bytes in the cache", Some(self.cached.bytes)),
            ("limit_bytes", "image_cache_max_size", Some(self.max_size)),
            ("limit_images", "image_cache_max_images", self.max_images),
            ("incomplete_images", "Files of running or interrupted fetches", Some(self.incomplete)),
            ("invalid_images", "Files of failed fetches", Some(self.invalid)),
            ("free_inodes", "Free inodes of the file system", self.free_inodes),
            ("min_free_inodes", "image_cache_min_free_inodes", min_free_inodes),
            (
                "driver_fallback",
                "1 if sqlite replaces the configured driver",
                Some(u64::from(is_fallback)),
            ),
            ("queued_images", "Images in the queue", Some(self.queued)),
        ];
        let gauge = |(name, help, value)| Some(CacheMetric::gauge(name, help, value?));
        gauges.into_iter().filter_map(gauge).collect()
    }
}

impl ImageCache {
    /// Whether the image is cached: complete and verified.
    pub fn is_cached(&self, id: &str) -> Result<bool> {
        Ok(self.image_size(id)?.is_some())
    }

    /// Whether the image is in the queue.
    pub fn is_queued(&self, id: &str) -> Result<bool> {
        self.inner()?.of_image("look for", id, Directory::is_queued)
    }

    /// Whether a live writer, in this or another process, is caching the image.
    pub fn is_being_cached(&self, id: &str) -> Result<bool> {
        self.inner()?.of_image("look for", id, Directory::is_being_written)
    }

    /// Whether the image may be cached now: it is neither cached nor being cached, and the driver accepts it. `size`, in bytes if
    /// known, is passed to the driver.
    pub fn is_cacheable(&self, id: &str, size: Option<u64>) -> Result<bool> {
        if self.is_cached(id)? || self.is_being_cached(id)? {
            return Ok(false);
        }
        let inner = self.inner()?;
        inner.reconcile();
        let image_id = &inner.image_id(id)?;
        let (now, requester) = (SystemTime::now(), &self.requester);
        let request = AdmissionRequest::new(image_id, size, now, requester);
        Ok(inner.metadata.admit(&request)? == Decision::Admit)
    }

    /// Why the driver refused the image when it was last to be cached in this process; `None` if it did not. The text names the
    /// driver, and its reason if there is one.
    pub fn last_refusal(&self, id: &str) -> Result<Option<String>> {
        let inner = self.inner()?;
        let refused = inner.refusals.of(&inner.image_id(id)?);
        let driver = self.driver().name;
        Ok(refused.map(|reason| match reason {
            Some(reason) => format!("driver {driver} does not want it: {reason}"),
            None => format!("driver {driver} does not want it; see the driver's options"),
        }))
    }

    /// Bytes of the cached image; `None` if it is not cached.
    pub fn image_size(&self, id: &str) -> Result<Option<u64>> {
        let file = self.inner()?.of_image("look for", id, Directory::cached_file)?;
        Ok(file.map(|file| file.size))
    }

    /// How often the image was read to its end; 0 if it is not cached.
    pub fn hit_count(&self, id: &str) -> Result<u64> {
        Ok(self.cached_image(id)?.map_or(0, |image| image.hits))
    }

    /// The record of a cached image. If it has none, because the records are not repaired yet, a record made from its file.
    pub fn cached_image(&self, id: &str) -> Result<Option<CachedImage>> {
        let inner = self.inner()?;
        let id = inner.image_id(id)?;
        inner.flush();
        let file = inner.directory.cached_file(&id).map_err(Error::image("look for", &id))?;
        let Some(file) = file else { return Ok(None) };
        let record = inner
            .read_metadata(|metadata| metadata.cached_image(&id, &DriverBudget::one_call()))?;
        Ok(Some(record.unwrap_or_else(|| crate::reconcile::adopted(&id, &file))))
    }

    /// Checks whether another program changed the directory: rebuilds a database that was removed or replaced, adopts images that
    /// were added, and forgets those that were removed. Lists and prunes do so themselves; a program that rarely uses them should
    /// call it about every second. If nothing changed, it only reads the times of two files. It also calls the
    /// driver's timer, if the driver has one.
    pub fn reconcile_external_changes(&self) {
        let inner = match self.inner() {
            Ok(inner) => inner,
            Err(error) => {
                tracing::warn!(%error, "this forked process cannot open the cache; the next use tries again");
                return;
            }
        };
        inner.metadata.check_database();
        if !inner.metadata.sync.is_in_sync() {
            inner.flush();
        }
        inner.reconcile_if_changed();
        inner.metadata.tick_if_due();
    }

    /// Images and bytes cached, counted in the directory.
    pub fn cache_size(&self) -> Result<CacheSize> {
        self.inner()?.cache_size()
    }

    /// The driver in use and, if it is the fallback, for which driver and why.
    pub fn driver(&self) -> DriverStatus {
        match self.inner() {
            Ok(inner) => inner.metadata.status(),
            // A forked process that cannot open the cache.
            Err(error) => DriverStatus {
                name: self.config().driver.clone(),
                version: String::new(),
                sha256: String::new(),
                fallback: Some(Fallback {
                    configured: self.config().driver.clone(),
                    reason: FallbackReason::NotOpen(Arc::new(error)),
                }),
            },
        }
    }

    /// The counters and gauges that the driver in use keeps in this process.
    pub fn driver_metrics(&self) -> Vec<DriverMetric> {
        self.inner().map_or_else(|_| Vec::new(), |inner| inner.metadata.in_use().driver.metrics())
    }

    /// Driver, counts and warnings.
    pub fn status(&self) -> Result<Status> {
        let inner = self.inner()?;
        let directory = &inner.directory;
        let last_fallback = last_fallback::load(directory, &self.config().driver);
        let count = |state, name| inner.in_directory("read", name, directory.count(state));
        inner.reconcile();
        inner.reconcile_if_changed();
        let mut running = directory.running_elsewhere().unwrap_or_else(|error| {
            tracing::debug!(%error, "the notes of other processes cannot be read");
            Vec::new()
        });
        running.sort_by_key(|other| other.process);
        Ok(Status {
            driver: self.driver(),
            running,
            // A note that cannot be read is no reason to hide the rest.
            last_fallback: last_fallback.unwrap_or_default(),
            cached: self.cache_size()?,
            max_size: self.config().max_size,
            max_images: self.config().max_images,
            free_inodes: inner.in_directory("examine", "", directory.free_inodes())?,
            min_free_inodes: self.config().min_free_inodes,
            queued: self.queued_images()?.len() as u64,
            incomplete: count(LeftoverState::Incomplete, names::INCOMPLETE)?,
            invalid: count(LeftoverState::Invalid, names::INVALID)?,
            warnings: inner.warnings.clone(),
            cache_failures: inner.metrics.counters().cache_failures,
        })
    }

    /// The counters of this cache since it was opened; cheap enough to call every second.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
    /// let counters = cache.counters();
    /// assert_eq!((counters.misses, counters.fills_cached, counters.bytes_fetched), (1, 1, 8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn counters(&self) -> Counters {
        self.inner().map(|inner| inner.metrics.snapshot()).unwrap_or_default()
    }
}
