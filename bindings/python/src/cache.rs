//! The cache: every operation runs without Python's lock.

use crate::errors::{config_exception, exception, gone};
use crate::expected::expected;
use crate::interpreter::without_lock;
use crate::options;
use crate::owned::Gone;
use crate::reader::{Follower, Reader};
use crate::records::{self, Record};
use crate::writer::Writer;
use image_cache::ChecksumAlgorithm::{Md5, Sha256, Sha512};
use image_cache::{ImageCache, Trust};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A driver: its name, its version, and where it is a fallback, the configured driver and the reason.
type Driver = (String, String, Option<(String, String)>);

/// What an operation removed or kept: images, bytes, and the images that stayed with the reasons.
type Pruned = (u64, u64, Vec<(String, String)>);

/// What a clean removed: incomplete files, invalid files, bytes, and the files that stayed with the reasons.
type Cleaned = (u64, u64, u64, Vec<(String, String)>);

/// An open cache. A forked child may use that of its parent.
#[pyclass(frozen, module = "image_cache._native")]
pub struct Cache {
    /// Until it is closed. It is only locked by threads that have Python's lock, so never during a fork.
    cache: Mutex<Option<ImageCache>>,
}

impl Cache {
    /// Runs an operation. A cache that is closed meanwhile stays open until the operation ends.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&ImageCache) -> image_cache::Result<T> + Send,
    ) -> PyResult<T> {
        let cache = self.locked().clone();
        let cache = cache.ok_or_else(|| gone(py, "the cache", Gone::Closed))?;
        let done = without_lock(py, move || work(&cache));
        done.map_err(|error| exception(py, &error))
    }

    fn locked(&self) -> MutexGuard<'_, Option<ImageCache>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Cache {
    /// Opens the cache with these options, by their names in a configuration file.
    #[new]
    #[pyo3(signature = (options, file=None))]
    fn new(
        py: Python<'_>,
        options: Vec<(String, OsString)>,
        file: Option<PathBuf>,
    ) -> PyResult<Self> {
        let config = options::config(file.as_deref(), &options);
        let config = config.map_err(|error| config_exception(py, &error))?;
        let opened = without_lock(py, || ImageCache::open(config));
        let cache = opened.map_err(|error| exception(py, &error))?;
        Ok(Cache { cache: Mutex::new(Some(cache)) })
    }

    /// Closes it: the last reference writes the collected hits.
    fn close(&self, py: Python<'_>) {
        let closed = self.locked().take();
        without_lock(py, || drop(closed));
    }

    fn is_cached(&self, py: Python<'_>, image_id: &str) -> PyResult<bool> {
        self.run(py, |cache| cache.is_cached(image_id))
    }

    fn is_queued(&self, py: Python<'_>, image_id: &str) -> PyResult<bool> {
        self.run(py, |cache| cache.is_queued(image_id))
    }

    fn is_being_cached(&self, py: Python<'_>, image_id: &str) -> PyResult<bool> {
        self.run(py, |cache| cache.is_being_cached(image_id))
    }

    #[pyo3(signature = (image_id, size=None))]
    fn is_cacheable(&self, py: Python<'_>, image_id: &str, size: Option<u64>) -> PyResult<bool> {
        self.run(py, |cache| cache.is_cacheable(image_id, size))
    }

    fn image_size(&self, py: Python<'_>, image_id: &str) -> PyResult<Option<u64>> {
        self.run(py, |cache| cache.image_size(image_id))
    }

    fn hit_count(&self, py: Python<'_>, image_id: &str) -> PyResult<u64> {
        self.run(py, |cache| cache.hit_count(image_id))
    }

    fn cached_image(&self, py: Python<'_>, image_id: &str) -> PyResult<Option<Record>> {
        Ok(self.run(py, |cache| cache.cached_image(image_id))?.map(records::record))
    }

    fn cached_images(&self, py: Python<'_>) -> PyResult<Vec<Record>> {
        self.run(py, |cache| Ok(cache.cached_images()?.into_iter().map(records::record).collect()))
    }

    /// Images and bytes.
    fn cache_size(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let size = self.run(py, ImageCache::cache_size)?;
        Ok((size.images, size.bytes))
    }

    fn queue_image(&self, py: Python<'_>, image_id: &str) -> PyResult<bool> {
        self.run(py, |cache| cache.queue_image(image_id))
    }

    fn queued_images(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let ids = self.run(py, ImageCache::queued_images)?;
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    fn delete_queued_image(&self, py: Python<'_>, image_id: &str) -> PyResult<bool> {
        self.run(py, |cache| cache.delete_queued_image(image_id))
    }

    fn delete_all_queued_images(&self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, ImageCache::delete_all_queued_images)
    }

    fn delete_cached_image(&self, py: Python<'_>, image_id: &str) -> PyResult<bool> {
        self.run(py, |cache| cache.delete_cached_image(image_id))
    }

    fn delete_all_cached_images(&self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, ImageCache::delete_all_cached_images)
    }

    fn prune(&self, py: Python<'_>) -> PyResult<Pruned> {
        let pruned = self.run(py, ImageCache::prune)?;
        Ok((pruned.images, pruned.bytes, records::kept(pruned.kept)))
    }

    /// `stall_time` in seconds.
    #[pyo3(signature = (stall_time=None))]
    fn clean(&self, py: Python<'_>, stall_time: Option<f64>) -> PyResult<Cleaned> {
        let stall_time = stall_time.map(seconds).transpose()?;
        let cleaned = self.run(py, |cache| cache.clean(stall_time))?;
        Ok((cleaned.incomplete, cleaned.invalid, cleaned.bytes, records::kept(cleaned.kept)))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, ImageCache::flush)
    }

    fn reconcile_external_changes(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |cache| {
            cache.reconcile_external_changes();
            Ok(())
        })
    }

    /// Size and trust of an undamaged image.
    fn verify(&self, py: Python<'_>, image_id: &str) -> PyResult<Option<(u64, &'static str)>> {
        let verified = self.run(py, |cache| cache.verify(image_id))?;
        Ok(verified.map(|verified| (verified.size, trust(verified.trust))))
    }

    fn driver(&self, py: Python<'_>) -> PyResult<Driver> {
        let driver = self.run(py, |cache| Ok(cache.driver()))?;
        let fallback = driver.fallback.map(|it| (it.configured, it.reason.to_string()));
        Ok((driver.name, driver.version, fallback))
    }

    fn reload_driver(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |cache| cache.reload_driver().map(drop))
    }

    /// Changes options of the open cache, by their names in a configuration file.
    fn reconfigure(&self, py: Python<'_>, options: Vec<(String, OsString)>) -> PyResult<()> {
        self.run(py, |cache| options::reconfigure(cache, &options))
    }

    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = self.run(py, |cache| Ok(cache.counters()))?;
        records::counters(py, &counters)
    }

    /// A reader of bytes `start` to `end` of a cached image.
    fn open_range(
        &self,
        py: Python<'_>,
        image_id: &str,
        start: u64,
        end: u64,
    ) -> PyResult<Option<Reader>> {
        let opened = self.run(py, |cache| cache.open_range(image_id, start..end))?;
        Ok(opened.map(|reader| Reader::new(image_id, reader)))
    }

    /// A reader of bytes `start` to `end` of an image that is cached or being fetched.
    fn follow_range(
        &self,
        py: Python<'_>,
        image_id: &str,
        start: u64,
        end: u64,
    ) -> PyResult<Option<Follower>> {
        let opened = self.run(py, |cache| cache.follow_range(image_id, start..end))?;
        Ok(opened.map(|reader| Follower::new(image_id, reader)))
    }

    /// A writer for an image of this size and these checksums, if they are known.
    #[pyo3(signature = (image_id, size=None, md5=None, sha256=None, sha512=None))]
    fn begin(
        &self,
        py: Python<'_>,
        image_id: &str,
        size: Option<u64>,
        md5: Option<&str>,
        sha256: Option<&str>,
        sha512: Option<&str>,
    ) -> PyResult<Writer> {
        let expected = expected(py, size, [(Md5, md5), (Sha256, sha256), (Sha512, sha512)])?;
        let writer = self.run(py, |cache| cache.begin(image_id, expected))?;
        Ok(Writer::new(image_id, writer))
    }

    /// Checks what `begin` would refuse, without an effect.
    #[pyo3(signature = (image_id, size=None, md5=None, sha256=None, sha512=None))]
    fn check(
        &self,
        py: Python<'_>,
        image_id: &str,
        size: Option<u64>,
        md5: Option<&str>,
        sha256: Option<&str>,
        sha512: Option<&str>,
    ) -> PyResult<()> {
        expected(py, size, [(Md5, md5), (Sha256, sha256), (Sha512, sha512)])?;
        self.run(py, |cache| cache.is_cached(image_id).map(drop))
    }
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Fetched => "fetched",
        Trust::Checksum => "checksum",
        Trust::FirstUse => "first-use",
        Trust::NotYet => "not-yet",
        // A later version of the library may have more.
        _ => "other",
    }
}

fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("not a time in seconds: {seconds}")))
}
