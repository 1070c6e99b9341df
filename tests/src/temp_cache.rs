//! A temporary directory for one cache, and helpers for tests.

use crate::data::read_all;
use image_cache::{CachedImage, ConfigBuilder, Expected, ImageCache, Outcome};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

/// The cache directory of one test, and its driver.
pub struct TempCache {
    driver: &'static str,
    dir: PathBuf,
    _scratch: Option<TempDir>,
}

impl TempCache {
    /// An empty cache in a temporary directory.
    pub fn new(driver: &'static str) -> TempCache {
        let scratch = TempDir::new().expect("a temporary directory can be made");
        TempCache { driver, dir: scratch.path().join("cache"), _scratch: Some(scratch) }
    }

    /// An empty cache in memory if the machine allows that: for tests with many small files that do not test the disk.
    pub fn in_memory(driver: &'static str) -> TempCache {
        let Ok(scratch) = TempDir::new_in("/dev/shm") else { return TempCache::new(driver) };
        if xattr::set(scratch.path(), "user.test", b"1").is_err() {
            return TempCache::new(driver);
        }
        TempCache { driver, dir: scratch.path().join("cache"), _scratch: Some(scratch) }
    }

    /// A cache in a directory that the caller owns.
    pub fn at(driver: &'static str, dir: impl Into<PathBuf>) -> TempCache {
        TempCache { driver, dir: dir.into(), _scratch: None }
    }

    /// The cache directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The driver's name.
    pub fn driver(&self) -> &'static str {
        self.driver
    }

    /// A configuration of this directory and driver.
    pub fn config(&self) -> ConfigBuilder {
        image_cache::Config::builder(&self.dir).driver(self.driver)
    }

    /// Opens the cache.
    pub fn open(&self) -> ImageCache {
        self.open_with(|config| config)
    }

    /// Opens the cache with other options. Fails the test if another driver has replaced the configured one.
    pub fn open_with(&self, options: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> ImageCache {
        let config = options(self.config()).build().unwrap_or_else(|error| panic!("{error}"));
        let cache = ImageCache::open(config).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(cache.driver().fallback, None);
        cache
    }

    /// A path in the cache directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file like another program, and returns its path.
    pub fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("a path in the cache directory has a parent");
        fs::create_dir_all(folder).expect("its folder can be made");
        fs::write(&path, content).expect("the file can be written");
        path
    }

    /// The names in one of the cache's directories; none if it does not exist.
    pub fn names(&self, folder: &str) -> BTreeSet<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return BTreeSet::new() };
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        entries.map(|entry| name(entry.expect("the directory can be read"))).collect()
    }
}

/// Caches these bytes; if this fails, the test fails.
pub fn fill(cache: &ImageCache, id: &str, image: &[u8]) -> CachedImage {
    match cache.cache_image(id, image, Expected::nothing()) {
        Ok(Outcome::Cached(record)) => record,
        other => panic!("{id} was not cached: {other:?}"),
    }
}

/// Reads a cached image to its end.
pub fn serve(cache: &ImageCache, id: &str) -> io::Result<Vec<u8>> {
    read_all(cache.open_for_read(id)?.ok_or(io::ErrorKind::NotFound)?)
}

/// The listed ids, in their order.
pub fn listed(cache: &ImageCache) -> Vec<String> {
    let images = cache.cached_images().unwrap_or_else(|error| panic!("{error}"));
    images.into_iter().map(|image| image.image_id.to_string()).collect()
}

/// The queued ids, in their order.
pub fn queued(cache: &ImageCache) -> Vec<String> {
    let ids = cache.queued_images().unwrap_or_else(|error| panic!("{error}"));
    ids.iter().map(ToString::to_string).collect()
}

/// Sets a file's times.
pub fn set_times(path: &Path, accessed: SystemTime, modified: SystemTime) -> io::Result<()> {
    let times = fs::FileTimes::new().set_accessed(accessed).set_modified(modified);
    File::open(path)?.set_times(times)
}
