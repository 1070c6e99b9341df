//! A cache directory that is prefilled with many images without the library, because a million fetches would take longer than the
//! measurement.

use image_cache::ImageCache;
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{config, open, sync_all};
use rusqlite::{Connection, params};
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xattr::FileExt;

/// Bytes in each image. The files are sparse, so that a million of them need only their inodes.
pub const BYTES: u64 = 1024;

/// Images recorded in one transaction.
const AT_ONCE: usize = 10_000;

/// The time of the first image; each further image is one second later.
const EPOCH: u64 = 1_700_000_000;

/// A cache directory with its records.
pub struct PrefilledCache {
    pub directory: PathBuf,
    pub driver: &'static str,
    pub images: usize,
}

impl PrefilledCache {
    /// Creates it below `scratch`, in the state in which the cache itself would leave it.
    pub fn new(scratch: &Path, driver: &'static str, images: usize) -> Tested<PrefilledCache> {
        let prefilled = PrefilledCache { directory: scratch.join("cache"), driver, images };
        // The cache itself creates directories and the table.
        drop(prefilled.open()?);
        for n in 0..images {
            let file = File::create(prefilled.directory.join(id(n)))?;
            file.set_len(BYTES)?;
            if driver == "xattr" {
                file.set_xattr("user.hits", b"0")?;
            }
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH + n as u64);
            file.set_times(FileTimes::new().set_accessed(at).set_modified(at))?;
        }
        if driver == "sqlite" {
            prefilled.record()?;
        }
        sync_all(&prefilled.directory)?;
        Ok(prefilled)
    }

    fn record(&self) -> Tested {
        let mut records = Connection::open(self.directory.join("cache.db"))?;
        for first in (0..self.images).step_by(AT_ONCE) {
            let transaction = records.transaction()?;
            let mut insert = transaction
                .prepare("INSERT INTO cached_images VALUES (?1, ?2, ?2, ?3, 0, NULL)")?;
            for n in first..self.images.min(first + AT_ONCE) {
                insert.execute(params![id(n), (EPOCH + n as u64) as f64, BYTES.cast_signed()])?;
            }
            drop(insert);
            transaction.commit()?;
        }
        Ok(())
    }

    /// Opens it with the default options, except for a size limit above that of all images.
    pub fn open(&self) -> Tested<ImageCache> {
        open(config(&self.directory, self.driver))
    }

    /// Opens it with a size limit for this number of images.
    pub fn open_for(&self, images: usize) -> Tested<ImageCache> {
        open(config(&self.directory, self.driver).max_size(images as u64 * BYTES))
    }

    /// The size of the records in bytes, if they are in a separate file.
    pub fn record_bytes(&self) -> Option<u64> {
        Some(fs::metadata(self.directory.join("cache.db")).ok()?.len())
    }
}

/// The n-th image, in the order of ids and of ages.
pub fn id(n: usize) -> String {
    format!("0b5c6d1e-2f3a-4b4c-8d5e-{n:012}")
}
