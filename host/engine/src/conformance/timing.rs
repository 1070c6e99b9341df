//! What the suite measures: how long a driver's calls took, and how close it came to its limits.

use crate::driver::Driver;
use crate::driver::peak_usage::Peak;
use image_cache_store::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The calls of one export, or the loads of the driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallTimes {
    /// How many there were.
    pub count: u64,
    /// Their total time, including the host's work for them.
    pub total: Duration,
    /// The time of the longest one.
    pub longest: Duration,
}

impl CallTimes {
    /// The average time of one; zero if there was none.
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        self.total.checked_div(count).unwrap_or_default()
    }

    fn add(&mut self, other: CallTimes) {
        self.count += other.count;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }
}

/// The measurements of the cases.
///
/// ```
/// use image_cache_engine::conformance;
/// use image_cache_model::Config;
/// # let place = tempfile::tempdir()?;
/// # let scratch = place.path();
/// let config = Config::builder(scratch).driver("sqlite").build()?;
/// let mut all = conformance::Measured::default();
/// for case in &conformance::CASES[..5] {
///     all.add(&case.run(&config, scratch).measured);
/// }
/// assert!(all.calls["record-cached"].longest >= all.calls["record-cached"].mean());
/// assert!(all.peaks.iter().all(|peak| peak.share() < 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// Times by the name of the export in the interface; `load` is everything from the file to a configured
    /// driver.
    pub calls: BTreeMap<&'static str, CallTimes>,
    /// The maximum use of each limit by any instance.
    pub peaks: Vec<Peak>,
}

impl Measured {
    /// Adds other measurements.
    pub fn add(&mut self, other: &Measured) {
        for (call, times) in &other.calls {
            self.calls.entry(call).or_default().add(*times);
        }
        for peak in &other.peaks {
            match self.peaks.iter_mut().find(|known| known.bound == peak.bound) {
                Some(known) => known.used = known.used.max(peak.used),
                None => self.peaks.push(*peak),
            }
        }
    }
}

/// Collects the measurements of everything that works for one case.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Measured>>);

impl Recorder {
    /// Makes a call, and measures its time.
    pub fn timed<T>(&self, call: &'static str, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        let times = CallTimes { count: 1, total: took, longest: took };
        lock(&self.0).calls.entry(call).or_default().add(times);
        result
    }

    /// Adds the peaks of a driver that is no longer used.
    pub fn take_peaks(&self, driver: &Driver) {
        let peaks = Measured { peaks: driver.peaks(), ..Measured::default() };
        lock(&self.0).add(&peaks);
    }

    /// All measurements.
    pub fn into_measured(self) -> Measured {
        lock(&self.0).clone()
    }
}
