//! A host in memory, for unit tests of a policy: they run natively, in milliseconds. It needs the feature `testing`.
//!
//! The statements run in SQLite, and attributes, files and the clock are values in memory. The limits of the real host are not
//! there: `image-cache driver check` tests the component within them.
//!
//! ```
#![doc = concat!(include_str!("../examples/largest_first.rs"), "# fn main() {")]
//! use image_cache_driver_sdk::testing::TestHost;
//! let mut host = TestHost::<LargestFirst>::start(&[]).expect("it is configured");
//! host.cache("small", 10).expect("it is recorded");
//! host.cache("large", 90).expect("it is recorded");
//! assert_eq!(host.evict(1).expect("one is named"), ["large"]);
//! # }
//! ```

pub mod attributes;
pub mod capacity;
pub mod files;
pub mod log;
pub mod metrics;
pub mod pins;
pub mod sql;
mod state;
pub mod transactions;

use crate::types::{CachedImage, Error};
use crate::{
    AdmissionPolicy, AdmissionRequest, ConfigurationError, Decision, Driver, Event, EventListener,
    Eviction, Hit, Options, Requester, Timer,
};
use state::{Image, with};
use std::time::Duration;

/// A driver under test, with the cache that it keeps the records of.
///
/// A thread has one host: a new one replaces it. Calls are made in the order of the host's clock, which
/// [`advance`](Self::advance) moves.
pub struct TestHost<D> {
    driver: D,
    options: Vec<(String, String)>,
    /// Microseconds since 1970.
    now: u64,
}

impl<D: Driver> TestHost<D> {
    /// An empty cache of 10 GiB, and the driver configured with these options.
    pub fn start(options: &[(&str, &str)]) -> Result<Self, ConfigurationError> {
        with(|state| *state = state::State::default());
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let options: Vec<(String, String)> = options.iter().map(owned).collect();
        let driver = D::configure(Options::from(options.clone()))?;
        Ok(TestHost { driver, options, now: 1_800_000_000_000_000 })
    }

    /// Discards the instance and configures a new one, as the host may at any time.
    pub fn restart(&mut self) -> Result<(), ConfigurationError> {
        self.driver = D::configure(Options::from(self.options.clone()))?;
        Ok(())
    }

    /// Sets the size of the cache, and restarts the driver.
    pub fn set_max_bytes(&mut self, bytes: u64) -> Result<(), ConfigurationError> {
        with(|state| state.max_bytes = bytes);
        self.restart()
    }

    /// The driver, for calls that this host does not make: `Driver::cache_size(host.driver())`.
    pub fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// The time of the next call, in microseconds since 1970.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Moves the clock.
    pub fn advance(&mut self, time: Duration) {
        self.now += u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    }

    /// Asks for admission.
    pub fn admits(&mut self, image_id: &str, size: Option<u64>) -> Result<bool, Error> {
        self.advance(Duration::from_secs(1));
        self.driver.is_cacheable(image_id.into(), size, self.now)
    }

    /// Caches an image of this size in bytes: it is recorded, and its file is there from then on.
    pub fn cache(&mut self, image_id: &str, size: u64) -> Result<(), Error> {
        self.advance(Duration::from_secs(1));
        let record = CachedImage {
            image_id: image_id.into(),
            size,
            hits: 0,
            last_accessed: self.now,
            last_modified: self.now,
            checksum: None,
        };
        with(|state| state.images.insert(image_id.into(), Image::new(size, self.now)));
        Driver::record_cached(&mut self.driver, record).inspect_err(|_| {
            with(|state| state.images.remove(image_id));
        })
    }

    /// Counts a hit.
    pub fn hit(&mut self, image_id: &str) -> Result<(), Error> {
        self.advance(Duration::from_secs(1));
        Driver::record_hits(&mut self.driver, vec![Hit { image_id: image_id.into(), at: self.now }])
    }

    /// The ids of the victims for this number of bytes, in order; nothing is evicted. 0 asks for those of the policy's own.
    pub fn victims(&mut self, bytes_needed: u64) -> Result<Vec<String>, Error> {
        with(|state| state.is_evicting = true);
        let exclude = with(|state| state.pinned.iter().cloned().collect());
        let request = Eviction { now: self.now, bytes_needed, exclude, limit: 10_000 };
        let victims = self.driver.select_victims(request);
        with(|state| state.is_evicting = false);
        Ok(victims?.into_iter().map(|victim| victim.image_id).collect())
    }

    /// Evicts the victims for this number of bytes, and returns their ids.
    pub fn evict(&mut self, bytes_needed: u64) -> Result<Vec<String>, Error> {
        let victims = self.victims(bytes_needed)?;
        with(|state| victims.iter().for_each(|id| drop(state.images.remove(id))));
        self.driver.forget(victims.clone())?;
        Ok(victims)
    }

    /// Removes an image, as an operator does.
    pub fn delete(&mut self, image_id: &str) -> Result<(), Error> {
        with(|state| state.images.remove(image_id));
        self.driver.forget(vec![image_id.into()])
    }

    /// Removes the file of an image, as another process does: the driver is not told.
    pub fn lose(&mut self, image_id: &str) {
        with(|state| state.images.remove(image_id));
    }

    /// The record of an image.
    pub fn record(&mut self, image_id: &str) -> Result<Option<CachedImage>, Error> {
        self.driver.cached_image(image_id.into())
    }

    /// Protects an image from eviction, as an operator does: it is excluded, and in `pins`.
    pub fn pin(&mut self, image_id: &str) {
        with(|state| state.pinned.insert(image_id.into()));
    }

    /// The value of a counter or a gauge of the driver, if it was set; the labels ascend by name.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let key = (name.to_owned(), labels.iter().map(owned).collect());
        with(|state| state.metrics.get(&key).copied())
    }

    /// The messages that the driver logged since they were last taken.
    pub fn take_log(&mut self) -> Vec<(log::Level, String)> {
        with(|state| std::mem::take(&mut state.messages))
    }
}

impl<D: AdmissionPolicy> TestHost<D> {
    /// Asks for admission with the requester.
    pub fn admit(
        &mut self,
        image_id: &str,
        size: Option<u64>,
        requester: Requester,
    ) -> Result<Decision, Error> {
        self.advance(Duration::from_secs(1));
        let (image_id, now) = (image_id.into(), self.now);
        self.driver.admit(AdmissionRequest { image_id, size, now, requester })
    }
}

impl<D: EventListener> TestHost<D> {
    /// Tells the driver what happened.
    pub fn notify(&mut self, events: Vec<Event>) -> Result<(), Error> {
        self.driver.notify(events)
    }
}

impl<D: Timer> TestHost<D> {
    /// Moves the clock by a second and calls the driver's timer.
    pub fn tick(&mut self) -> Result<(), Error> {
        self.advance(Duration::from_secs(1));
        self.driver.tick(self.now)
    }
}
