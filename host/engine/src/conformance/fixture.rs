//! The environment of a case: its own cache directory, with the driver loaded on it.

use super::failure::{Failure, Verdict, cannot};
use super::images::write_file;
use super::timing::Recorder;
use crate::driver::{Driver, LoadError, LoadFault};
use image_cache_model::{CachedImage, Config};
use image_cache_store::{Directory, names};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An instance of the driver on a cache directory that was new and empty; several can share one.
pub struct Fixture {
    config: Config,
    pub(super) directory: Arc<Directory>,
    pub(super) recorder: Recorder,
    /// Of the random sequences of calls.
    pub(super) seed: u64,
    pub(super) driver: Driver,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.recorder.take_peaks(&self.driver);
    }
}

impl Fixture {
    pub(super) fn new(
        config: &Config,
        directory: &Path,
        recorder: Recorder,
        seed: u64,
    ) -> Verdict<Fixture> {
        let (config, directory) = opened(config, directory)?;
        Fixture::load(config, directory, recorder, seed)
    }

    fn load(
        config: Config,
        directory: Arc<Directory>,
        recorder: Recorder,
        seed: u64,
    ) -> Verdict<Fixture> {
        let load = || Driver::load(&config.driver, &config, Arc::clone(&directory));
        let driver = recorder.timed("load", load);
        let driver = driver.map_err(|error| Failure::of_error("the driver loads", &error))?;
        Ok(Fixture { config, directory, recorder, seed, driver })
    }

    /// Stops the driver and loads it again on the same directory.
    pub(super) fn restart(self) -> Verdict<Fixture> {
        let (config, seed) = (self.config.clone(), self.seed);
        let (directory, recorder) = (Arc::clone(&self.directory), self.recorder.clone());
        drop(self);
        Fixture::load(config, directory, recorder, seed)
    }

    /// Stops the driver and loads it again on the same directory, in a cache with these limits in bytes and images.
    pub(super) fn with_limits(mut self, bytes: u64, images: Option<u64>) -> Verdict<Fixture> {
        (self.config.max_size, self.config.max_images) = (bytes, images);
        self.restart()
    }

    /// Loads the driver a second time beside the first, as another process would.
    pub(super) fn another_instance(&self) -> Verdict<Fixture> {
        let (directory, recorder) = (Arc::clone(&self.directory), self.recorder.clone());
        Fixture::load(self.config.clone(), directory, recorder, self.seed)
    }

    /// Tries to load the driver with one more option.
    pub(super) fn load_with_option(&self, name: &str, value: &str) -> Result<Driver, LoadError> {
        let option = (name.to_owned(), value.to_owned());
        Driver::load_with(
            &self.config.driver,
            &self.config,
            Arc::clone(&self.directory),
            vec![option],
        )
    }

    /// Creates a file that matches the record outside of its place, like a fetch that is about to be published.
    pub(super) fn unpublished(&self, image: &CachedImage) -> Verdict<Unpublished> {
        let from = self.directory.path_of(names::INCOMPLETE).join(image.image_id.as_str());
        let to = self.directory.path().join(image.image_id.as_str());
        let file = write_file(&from, image).map_err(|e| cannot("write", &from, &e))?;
        Ok(Unpublished { file, from, to })
    }
}

/// A file that is not yet visible under its image's name.
pub(super) struct Unpublished {
    pub file: File,
    from: PathBuf,
    to: PathBuf,
}

impl Unpublished {
    pub(super) fn publish(self) -> Verdict {
        std::fs::rename(&self.from, &self.to).map_err(|e| cannot("publish", &self.to, &e))
    }

    pub(super) fn discard(self) -> Verdict {
        std::fs::remove_file(&self.from).map_err(|e| cannot("remove", &self.from, &e))
    }
}

/// Runs a case in a new directory, which is removed afterwards.
pub(super) fn in_new_directory(scratch: &Path, case: impl FnOnce(&Path) -> Verdict) -> Verdict {
    for number in 0u32.. {
        let directory = scratch.join(format!("case-{number}"));
        match std::fs::create_dir(&directory) {
            Ok(()) => {
                let verdict = case(&directory);
                // If it cannot be removed, that is not the driver's fault.
                let _ = std::fs::remove_dir_all(&directory);
                return verdict;
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(cannot("make", &directory, &e)),
        }
    }
    Err(Failure::new("room for a directory", "none left"))
}

/// Loads the driver of `config` on its cache directory, which is created if it is missing. Each call of it is one call of the
/// component, at a time that the caller sets; no cache is opened, and nothing is reconciled.
///
/// ```
/// use image_cache_engine::conformance;
/// use image_cache_model::{Config, Eviction};
/// # let place = tempfile::tempdir()?;
/// # let directory = place.path().join("cache");
/// let driver = conformance::load(&Config::builder(directory).driver("sqlite").build()?)?;
/// let now = std::time::SystemTime::now();
/// let all = Eviction { now, bytes_needed: u64::MAX, exclude: &[], limit: 10, cached: None };
/// assert_eq!(driver.select_victims(&all)?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Every reason why the driver or the directory cannot be used.
pub fn load(config: &Config) -> Result<Driver, LoadError> {
    let directory = Directory::open(&config.dir, &config.sqlite_db).map_err(|fault| {
        let (path, source) = (fault.path, Arc::new(fault.source));
        LoadError::new(&config.driver, vec![LoadFault::Directory { path, source }])
    })?;
    Driver::load(&config.driver, config, Arc::new(directory))
}

/// Loads the driver of `config` on an empty cache directory under `scratch`, as every case does first.
///
/// # Errors
/// Every reason why it cannot be loaded or configured.
pub fn loads(config: &Config, scratch: &Path) -> Result<(), LoadError> {
    let mut outcome = Ok(());
    let verdict = in_new_directory(scratch, |directory| {
        let (config, directory) = opened(config, directory)?;
        outcome = Driver::load(&config.driver, &config, directory).map(drop);
        Ok(())
    });
    verdict.map_err(|failure| {
        LoadError::new(&config.driver, vec![LoadFault::Other(failure.to_string())])
    })?;
    outcome
}

/// The cache directory of a case, and a configuration for it.
fn opened(config: &Config, directory: &Path) -> Verdict<(Config, Arc<Directory>)> {
    let mut config = config.clone();
    (config.dir, config.sqlite_db) = (directory.to_owned(), names::DATABASE.into());
    let directory = Directory::open(&config.dir, &config.sqlite_db)
        .map_err(|fault| cannot("make a cache directory", &fault.path, &fault.source))?;
    Ok((config, Arc::new(directory)))
}
