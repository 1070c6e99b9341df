//! Drivers for tests: files that are not components, a fault-injecting driver, and a cache that uses them.

use crate::{bytes, fill, listed, serve};
use image_cache::{Config, ConfigBuilder, DriverConfig, ImageCache};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The fault-injecting driver, as a component.
pub const FAULTY: &str = env!("GUEST_FAULTY");

/// The driver that counts what it is told, as a component.
pub const LISTENER: &str = env!("GUEST_LISTENER");

/// The name of a driver under test.
pub const TRIED: &str = "tried";

/// A directory for one cache and the component of its driver.
pub struct Trial {
    scratch: TempDir,
}

impl Trial {
    /// An empty directory.
    pub fn new() -> Trial {
        Trial { scratch: TempDir::new().expect("a temporary directory can be made") }
    }

    /// The cache directory.
    pub fn dir(&self) -> PathBuf {
        self.beside("cache")
    }

    /// A path in the cache directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// A path beside the cache directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a file in the cache directory, like another program.
    pub fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        put(&self.path(name), content)
    }

    /// A driver whose component is a file of these bytes.
    pub fn component(&self, content: impl AsRef<[u8]>) -> DriverConfig {
        DriverConfig::new(put(&self.beside("tried.wasm"), content.as_ref()))
    }

    /// A configuration with this driver.
    pub fn config(&self, driver: DriverConfig) -> ConfigBuilder {
        Config::builder(self.dir()).define_driver(TRIED, driver).driver(TRIED)
    }

    /// Opens the cache with this driver, or with the one that replaces it.
    pub fn open(&self, driver: DriverConfig) -> ImageCache {
        open(self.config(driver))
    }
}

impl Default for Trial {
    fn default() -> Self {
        Trial::new()
    }
}

/// Opens a cache; an error fails the test.
pub fn open(config: ConfigBuilder) -> ImageCache {
    let config = config.build().unwrap_or_else(|error| panic!("{error}"));
    ImageCache::open(config).unwrap_or_else(|error| panic!("{error}"))
}

/// The fault-injecting driver with these options. A loop is interrupted soon; all other work has enough time even on a busy
/// machine.
pub fn faulty(options: &[(&str, &str)]) -> DriverConfig {
    let mut driver = DriverConfig::new(FAULTY);
    driver.options =
        options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    if options.contains(&("fault", "loop")) {
        driver.limits.guest_time = Duration::from_millis(50);
    }
    driver
}

/// Asserts that sqlite has replaced the driver `configured`, for a reason that contains these words.
pub fn assert_fell_back(cache: &ImageCache, configured: &str, words: &[&str]) {
    let status = cache.driver();
    assert_eq!(status.name, "sqlite");
    let fallback = status.fallback.unwrap_or_else(|| panic!("{configured} was not refused"));
    assert_eq!(fallback.configured, configured);
    let reason = fallback.reason.to_string();
    for word in words {
        assert!(reason.contains(word), "{word:?} is not in the reason: {reason}");
    }
}

/// Asserts that no driver has replaced the configured one.
pub fn assert_no_fallback(cache: &ImageCache) {
    assert_eq!(cache.driver().fallback, None);
}

/// Asserts that the cache works: it fills, serves, counts, lists and deletes.
pub fn assert_works(cache: &ImageCache) {
    let (id, image) = ("does-it-work", bytes(7, 100_000));
    let record = fill(cache, id, &image);
    assert_eq!(record.size, 100_000);
    assert!(
        serve(cache, id).is_ok_and(|served| served == image),
        "the served image differs from its source"
    );
    assert!(
        cache.hit_count(id).is_ok_and(|hits| hits == 1),
        "the read was not counted: {:?}",
        cache.hit_count(id)
    );
    assert!(listed(cache).contains(&id.to_owned()), "the image is not listed: {:?}", listed(cache));
    assert!(matches!(cache.delete_cached_image(id), Ok(true)));
    assert!(matches!(cache.is_cached(id), Ok(false)));
    assert!(!listed(cache).contains(&id.to_owned()), "a deleted image is listed");
}

fn put(path: &Path, content: &[u8]) -> PathBuf {
    let folder = path.parent().expect("the path has a folder");
    fs::create_dir_all(folder).expect("the folder can be made");
    fs::write(path, content).expect("the file can be written");
    path.to_owned()
}
