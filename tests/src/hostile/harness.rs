//! The hostile-driver harness: a cache with a hostile driver, every operation on it, and the guarantees that hold whatever the
//! driver does.

use super::hostile;
use crate::components::{TRIED, Trial, assert_fell_back, assert_no_fallback, assert_works, open};
use crate::{Tested, bytes, read_all, serve};
use image_cache::{DriverConfig, Expected, ImageCache};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// The size limit of the cache: two images.
pub const MAX_SIZE: u64 = 25_000;

/// The number of rounds after which a driver that fails must have been replaced.
const ROUNDS: usize = 8;

/// The content of a file beside the cache directory.
const OUTSIDE: &[u8] = b"not an image, and not the cache's";

/// A hostile driver and the directory of its cache.
pub struct Harness {
    /// The directory of the cache.
    pub trial: Trial,
    driver: DriverConfig,
    _scratch: TempDir,
}

impl Harness {
    /// A harness with the guest of this name.
    pub fn of(guest: &str) -> Harness {
        let (trial, scratch) = (Trial::new(), TempDir::new().expect("a temporary directory"));
        fs::write(trial.beside("outside.db"), OUTSIDE).expect("a file outside can be written");
        Harness { trial, driver: hostile(guest, &scratch), _scratch: scratch }
    }

    /// The same with another configuration of the driver.
    pub fn with(mut self, change: impl FnOnce(&mut DriverConfig)) -> Harness {
        change(&mut self.driver);
        self
    }

    /// The same with the fault in this export.
    pub fn in_export(self, export: &str) -> Harness {
        self.with(|driver| {
            driver.options.insert("in".into(), export.into());
        })
    }

    /// The same with a short deadline, so that the test is short.
    pub fn with_short_deadlines(self) -> Harness {
        self.with(|driver| {
            driver.limits.guest_time = Duration::from_millis(50);
            driver.limits.call_time = Duration::from_millis(300);
        })
    }

    /// The same with little time for the guest itself, and much for its calls: the first is processor time, which a busy machine
    /// does not use up.
    pub fn with_little_guest_time(self) -> Harness {
        self.with(|driver| {
            driver.limits.guest_time = Duration::from_millis(50);
            driver.limits.call_time = Duration::from_secs(30);
        })
    }

    /// The same with a long deadline, so that a busy machine causes no failure.
    pub fn with_long_deadlines(self) -> Harness {
        self.with(|driver| {
            driver.limits.guest_time = Duration::from_secs(30);
            driver.limits.call_time = Duration::from_secs(30);
        })
    }

    /// The configuration of the driver.
    pub fn driver(&self) -> &DriverConfig {
        &self.driver
    }

    /// Opens the cache.
    pub fn open(&self) -> ImageCache {
        open(self.trial.config(self.driver.clone()).max_size(MAX_SIZE))
    }

    /// Runs all operations of users and operators. Operations on records may fail; no byte may be wrong.
    pub fn round(&self, cache: &ImageCache, round: usize) -> Tested {
        for (id, kept) in [(format!("kept-{round}"), true), (format!("removed-{round}"), false)] {
            let image = bytes(round as u64, 10_000 + round);
            let passed = read_all(cache.caching_reader(&id, &image[..], Expected::nothing())?)?;
            assert!(passed == image, "{id} did not pass whole");
            if cache.is_cached(&id)? {
                assert!(serve(cache, &id)? == image, "{id} is not served as it came");
                assert!(kept || cache.delete_cached_image(&id)?, "{id} was not removed");
            }
        }
        self.assert_list_is_sound(cache)?;
        self.trial.put(&format!("invalid/broken-{round}"), b"half an image");
        let _ = cache.clean(None);
        if let Ok(pruned) = cache.prune() {
            assert!(
                pruned.kept.is_empty(),
                "there is no reader, but these were kept: {:?}",
                pruned.kept
            );
            assert!(
                cache.cache_size()?.bytes <= MAX_SIZE,
                "it was pruned to {:?}",
                cache.cache_size()
            );
        }
        Ok(())
    }

    /// A list may fail; a list that succeeds has the cached images, in order, with the sizes of the files.
    fn assert_list_is_sound(&self, cache: &ImageCache) -> Tested {
        cache.status()?;
        let _ = cache.hit_count("kept-0");
        let Ok(images) = cache.cached_images() else { return Ok(()) };
        let ids: Vec<&str> = images.iter().map(|image| image.image_id.as_str()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        for image in &images {
            let file = fs::metadata(self.trial.path(image.image_id.as_str()))?;
            assert_eq!(image.size, file.len(), "{:?}", image.image_id);
        }
        Ok(())
    }

    /// Asserts that the driver is replaced for a reason that contains these words, and that it lost and changed nothing.
    pub fn assert_replaced(&self, words: &[&str]) -> Tested {
        let cache = self.open();
        let rounds = (0..ROUNDS).take_while(|round| {
            let done = self.round(&cache, *round);
            assert!(done.is_ok(), "{done:?}");
            cache.driver().fallback.is_none()
        });
        assert!(rounds.count() < ROUNDS, "the driver still serves");
        assert_fell_back(&cache, TRIED, words);
        self.assert_cache_works(&cache)
    }

    /// Asserts that the driver stays active, and does no harm.
    pub fn assert_harmless(&self) -> Tested {
        let cache = self.open();
        for round in 0..3 {
            self.round(&cache, round)?;
        }
        assert_no_fallback(&cache);
        self.assert_cache_works(&cache)
    }

    /// Asserts that a driver that cannot be loaded is replaced for a reason that contains these words.
    pub fn assert_refused(&self, words: &[&str]) -> Tested {
        let cache = self.open();
        assert_fell_back(&cache, TRIED, words);
        self.round(&cache, 0)?;
        self.assert_cache_works(&cache)
    }

    /// Asserts that the cache works, and that the files outside of it are unchanged.
    pub fn assert_cache_works(&self, cache: &ImageCache) -> Tested {
        assert_works(cache);
        assert_eq!(fs::read(self.trial.beside("outside.db"))?, OUTSIDE);
        let beside: BTreeSet<_> = fs::read_dir(self.trial.beside(""))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, std::io::Error>>()?;
        assert_eq!(beside, BTreeSet::from(["cache".into(), "outside.db".into()]));
        let queue = fs::read_dir(self.trial.path("queue"))?.count();
        assert_eq!(queue, 0, "a file was written to queue/");
        Ok(())
    }
}
