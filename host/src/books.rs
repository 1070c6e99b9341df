//! The books of the cache: the driver in use, what happens when it fails, and what remains to be repaired.
//!
//! A call that fails by trap, deadline or lie costs that call; a driver that keeps failing is replaced by
//! the built-in sqlite driver for the life of this process. Whatever could not be written leaves the books
//! *out of step*: they are reconciled with the directory as soon as they work again.

use crate::config::Config;
use crate::directory::Directory;
use crate::driver::{
    CacheSize, CachedImage, CallError, Driver, DriverError, Eviction, Hit, Leftover, Victim,
};
use crate::error::{Error, Result};
use crate::image_id::ImageId;
use crate::sync::{lock, read, write};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::{Duration, Instant, SystemTime};

/// The driver that serves when another cannot.
const LAST_RESORT: &str = "sqlite";

/// So many failures of one operation, less its successes, replace a driver. Each operation is counted for
/// itself: a driver that can do all but name victims fills the disk.
const BREAKER_FAILURES: u32 = 3;

/// How long a storage may answer that it is busy before the caller hears of it.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// After a vain attempt to reconcile, the next one waits so long, and twice as long each time.
const RECONCILE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Which driver serves, and why where it is not the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverStatus {
    /// The name under which it was loaded.
    pub name: String,
    /// What it says its version is.
    pub version: String,
    /// Set where it stands in for the configured driver.
    pub fallback: Option<Fallback>,
}

/// Why the sqlite driver serves instead of the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The driver in the configuration.
    pub configured: String,
    /// Why it could not be used.
    pub reason: String,
}

/// Whether a call may be made again when it is unknown how far it came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Safe,
    Never,
}

/// How far a repair of the books came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    Whole,
    /// Some images have no true record, because it cannot be written.
    InPart,
}

/// A vain attempt to reconcile.
struct Vain {
    /// With whom it was: another driver need not wait.
    with: Weak<InUse>,
    pause: Duration,
    until: Instant,
}

impl Vain {
    fn after(before: Option<Vain>, in_use: &Arc<InUse>) -> Vain {
        let same = before.filter(|vain| vain.is_with(in_use));
        let pause = same.map_or(RECONCILE_PAUSE, |vain| (vain.pause * 2).min(LONGEST_PAUSE));
        Vain { with: Arc::downgrade(in_use), pause, until: Instant::now() + pause }
    }

    fn is_with(&self, in_use: &Arc<InUse>) -> bool {
        self.with.ptr_eq(&Arc::downgrade(in_use))
    }

    fn is_too_soon(&self, in_use: &Arc<InUse>) -> bool {
        self.is_with(in_use) && Instant::now() < self.until
    }
}

struct InUse {
    driver: Driver,
    fallback: Option<Fallback>,
}

pub(crate) struct Books {
    config: Arc<Config>,
    directory: Arc<Directory>,
    in_use: RwLock<Arc<InUse>>,
    failures: Mutex<BTreeMap<&'static str, u32>>,
    /// Counts the occasions on which books and directory fell out of step.
    slips: AtomicU64,
    /// How many of them have been repaired.
    repaired: AtomicU64,
    /// Whether the last repair left out images whose records could not be written.
    unrepaired: AtomicBool,
    /// Held while the books are reconciled; the last attempt, where it was vain.
    next_reconcile: Mutex<Option<Vain>>,
}

impl Books {
    /// Loads the configured driver, or else sqlite; an error with both reasons where neither works.
    pub fn open(config: Arc<Config>, directory: Arc<Directory>) -> Result<Books> {
        let in_use = match Driver::load(&config.driver, &config, Arc::clone(&directory)) {
            Ok(driver) => InUse { driver, fallback: None },
            Err(error) => {
                let reason = error.to_string();
                fall_back(&config, &directory, reason)?
            }
        };
        Ok(Books {
            config,
            directory,
            in_use: RwLock::new(Arc::new(in_use)),
            failures: Mutex::default(),
            // Others may have used the directory since.
            slips: AtomicU64::new(1),
            repaired: AtomicU64::new(0),
            unrepaired: AtomicBool::new(false),
            next_reconcile: Mutex::default(),
        })
    }

    pub fn status(&self) -> DriverStatus {
        let in_use = self.in_use();
        DriverStatus {
            name: in_use.driver.name().to_owned(),
            version: in_use.driver.version().to_owned(),
            fallback: in_use.fallback.clone(),
        }
    }

    /// Runs `reconcile` if something could not be written before, unless that just failed again; waits for
    /// whoever is at it. Never call it with the directory locked.
    pub fn settle(&self, reconcile: impl FnOnce() -> Result<Reconciled>) -> Result<()> {
        if self.in_step() && !self.unrepaired.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut next = lock(&self.next_reconcile);
        let whole = self.in_step() && !self.unrepaired.load(Ordering::Acquire);
        if whole || next.as_ref().is_some_and(|vain| vain.is_too_soon(&self.in_use())) {
            return Ok(());
        }
        // What slips while this runs is not repaired by it.
        let slips = self.slips.load(Ordering::Acquire);
        let result = reconcile();
        self.unrepaired.store(!matches!(result, Ok(Reconciled::Whole)), Ordering::Release);
        *next = match &result {
            Ok(Reconciled::Whole) => None,
            Ok(Reconciled::InPart) | Err(_) => Some(Vain::after(next.take(), &self.in_use())),
        };
        let repaired = match result? {
            Reconciled::Whole => slips,
            // Its own failures slipped, too; what others were is looked at again all the same.
            Reconciled::InPart => self.slips.load(Ordering::Acquire),
        };
        self.repaired.store(repaired, Ordering::Release);
        Ok(())
    }

    /// Says that books and directory differ.
    pub fn out_of_step(&self) {
        self.slips.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether books and directory agree, as far as is known.
    pub fn in_step(&self) -> bool {
        self.slips.load(Ordering::Acquire) == self.repaired.load(Ordering::Acquire)
    }

    pub fn is_cacheable(&self, id: &ImageId, size: Option<u64>, now: SystemTime) -> Result<bool> {
        self.call("ask whether an image is cacheable", Repeat::Safe, |d| {
            d.is_cacheable(id, size, now)
        })
    }

    pub fn record_cached(&self, image: &CachedImage, file: Option<&File>) -> Result<()> {
        self.change("record an image", Repeat::Safe, |d| d.record_cached(image, file))
    }

    pub fn record_hits(&self, hits: &[Hit]) -> Result<()> {
        let operation = "record hits";
        // Books without the images' records would pass the hits over.
        if !self.in_step() {
            let (driver, reason) = (
                self.in_use().driver.name().to_owned(),
                "the books are to be repaired first".into(),
            );
            return Err(Error::Books { operation, driver, reason });
        }
        self.call(operation, Repeat::Never, |d| d.record_hits(hits))
    }

    pub fn forget(&self, ids: &[ImageId]) -> Result<()> {
        self.change("forget images", Repeat::Safe, |d| d.forget(ids))
    }

    pub fn cached_image(&self, id: &ImageId) -> Result<Option<CachedImage>> {
        self.call("look up an image", Repeat::Safe, |d| d.cached_image(id))
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        self.call("count images", Repeat::Safe, |d| d.cache_size())
    }

    pub fn cached_images(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<CachedImage>> {
        self.call("list images", Repeat::Safe, |d| d.cached_images(after, limit))
    }

    pub fn select_victims(&self, eviction: &Eviction<'_>) -> Result<Vec<Victim>> {
        self.call("select victims", Repeat::Safe, |d| d.select_victims(eviction))
    }

    pub fn select_leftovers(
        &self,
        leftovers: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Leftover>> {
        self.call("select leftovers", Repeat::Safe, |d| {
            d.select_leftovers(leftovers, stalled_before, now)
        })
    }

    /// A driver that answers nonsense, though no single answer is against the contract.
    pub fn distrust(&self, reason: &str) {
        self.note_failure(&self.in_use(), "evict its victims", reason);
    }

    fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&read(&self.in_use))
    }

    /// A call whose failure leaves the books out of step.
    fn change<T>(
        &self,
        operation: &'static str,
        repeat: Repeat,
        call: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Result<T> {
        self.call(operation, repeat, call).inspect_err(|_| self.out_of_step())
    }

    fn call<T>(
        &self,
        operation: &'static str,
        repeat: Repeat,
        call: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Result<T> {
        let mut retry = Retry::default();
        loop {
            let in_use = self.in_use();
            let error = match call(&in_use.driver) {
                Ok(answer) => {
                    self.note_success(operation);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let again = match &error {
                CallError::Refused(DriverError::Busy) => retry.busy(),
                CallError::Refused(refusal) => {
                    let replaced =
                        is_defect(refusal) && self.note_failure(&in_use, operation, &error);
                    replaced && repeat == Repeat::Safe
                }
                CallError::Failed(_) => {
                    // It is unknown what the driver did before it failed.
                    self.out_of_step();
                    let replaced = self.note_failure(&in_use, operation, &error);
                    repeat == Repeat::Safe && (replaced || retry.once())
                }
                CallError::Corrupt(reason) => {
                    retry.once() && self.start_anew(&in_use, reason) && repeat == Repeat::Safe
                }
            };
            if !again {
                let driver = in_use.driver.name().to_owned();
                return Err(Error::Books { operation, driver, reason: error.to_string() });
            }
        }
    }

    fn note_success(&self, operation: &'static str) {
        let mut failures = lock(&self.failures);
        if let Some(count) = failures.get_mut(operation) {
            *count -= 1;
            if *count == 0 {
                failures.remove(operation);
            }
        }
    }

    /// Counts a failure; true where it was one too many, and another driver is in use now.
    fn note_failure(
        &self,
        in_use: &Arc<InUse>,
        operation: &'static str,
        reason: impl fmt::Display,
    ) -> bool {
        let driver = in_use.driver.name();
        tracing::warn!(driver, operation, %reason, "the driver failed");
        {
            let mut failures = lock(&self.failures);
            let count = failures.entry(operation).or_default();
            *count = (*count + 1).min(BREAKER_FAILURES);
            if *count < BREAKER_FAILURES || driver == LAST_RESORT {
                return false;
            }
            failures.clear();
        }
        self.replace(in_use, operation, &reason.to_string())
    }

    /// Puts sqlite in the place of a driver that keeps failing; true where that, or somebody else's
    /// attempt, succeeded.
    fn replace(&self, failing: &Arc<InUse>, operation: &str, reason: &str) -> bool {
        let mut in_use = write(&self.in_use);
        if !Arc::ptr_eq(&in_use, failing) {
            return true;
        }
        let reason = format!(
            "it failed to {operation} {BREAKER_FAILURES} times, the last time thus: {reason}"
        );
        match fall_back(&self.config, &self.directory, reason) {
            Ok(fallback) => {
                *in_use = Arc::new(fallback);
                self.out_of_step();
                true
            }
            Err(error) => {
                tracing::error!(%error, "a failing driver cannot be replaced");
                false
            }
        }
    }

    /// Sets a database that SQLite cannot read aside, so that it is rebuilt from the directory.
    fn start_anew(&self, in_use: &InUse, reason: &str) -> bool {
        self.out_of_step();
        match in_use.driver.set_database_aside() {
            Ok(None) => {
                tracing::warn!(%reason, "the database could not be read at first");
                true
            }
            Ok(Some(place)) => {
                let place = place.display();
                tracing::warn!(%reason, %place, "the database was set aside; it is rebuilt from the directory");
                true
            }
            Err(error) => {
                tracing::error!(%reason, %error, "the database is unusable and cannot be set aside");
                false
            }
        }
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("driver", &self.status()).finish_non_exhaustive()
    }
}

/// What one call has already tried.
#[derive(Default)]
struct Retry {
    used: bool,
    busy_since: Option<Instant>,
    pause: Duration,
}

impl Retry {
    fn once(&mut self) -> bool {
        !std::mem::replace(&mut self.used, true)
    }

    /// Waits a little, unless it waited too long already.
    fn busy(&mut self) -> bool {
        let since = *self.busy_since.get_or_insert_with(Instant::now);
        if since.elapsed() > BUSY_PATIENCE {
            return false;
        }
        self.pause = (self.pause * 2).clamp(Duration::from_millis(1), Duration::from_millis(50));
        std::thread::sleep(self.pause);
        true
    }
}

fn fall_back(config: &Config, directory: &Arc<Directory>, reason: String) -> Result<InUse> {
    let configured = config.driver.clone();
    if configured.eq_ignore_ascii_case(LAST_RESORT) {
        return Err(Error::NoDriver { configured, reason, fallback_reason: String::new() });
    }
    tracing::warn!(
        driver = configured,
        %reason,
        "the configured driver cannot be used; sqlite takes its place"
    );
    match Driver::load(LAST_RESORT, config, Arc::clone(directory)) {
        Ok(driver) => Ok(InUse { driver, fallback: Some(Fallback { configured, reason }) }),
        Err(error) => {
            Err(Error::NoDriver { configured, reason, fallback_reason: error.to_string() })
        }
    }
}

/// Whether an answer speaks against the driver, not of the storage or the question. What is denied is
/// usually one file that nobody may change, and no reason to give up the books of all others.
fn is_defect(error: &DriverError) -> bool {
    matches!(error, DriverError::Unsupported | DriverError::Other(_))
}
