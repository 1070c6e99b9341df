//! The books of the cache: the driver in use, what happens when it fails, and what remains to be repaired.
//!
//! A call that fails by trap, deadline or lie costs that call; a driver that keeps failing is replaced by
//! the built-in sqlite driver for the life of this process. Whatever could not be written leaves the books
//! *out of step*: they are reconciled with the directory as soon as they work again.

mod breaker;
mod retry;

use crate::config::Config;
use crate::counters::Tally;
use crate::directory::Directory;
use crate::driver::{
    CacheSize, CachedImage, CallError, Driver, DriverError, Eviction, Hit, Leftover, Victim,
    compile_last_resort,
};
use crate::error::{Error, Result};
use crate::image_id::ImageId;
use crate::sync::{lock, read, write};
use breaker::{Breaker, FAILURES, WINDOW};
use retry::Retry;
use std::fmt;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::{Duration, Instant, SystemTime};

/// The driver that serves when another cannot.
const LAST_RESORT: &str = "sqlite";

/// Records per page when the books are read.
pub(crate) const PAGE: u32 = 1000;

/// Records without a file that a driver which is not built in may list.
pub(crate) const STRANGERS: usize = 100_000;

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
    breaker: Breaker,
    tally: Arc<Tally>,
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
    pub fn open(
        config: Arc<Config>,
        directory: Arc<Directory>,
        tally: Arc<Tally>,
    ) -> Result<Books> {
        let in_use = match Driver::load(&config.driver, &config, Arc::clone(&directory)) {
            Ok(driver) => {
                if !is_last_resort(&config.driver) {
                    compile_last_resort();
                }
                InUse { driver, fallback: None }
            }
            Err(error) => {
                let reason = error.to_string();
                let fallback = fall_back(&config, &directory, reason)?;
                tally.fallbacks.one();
                fallback
            }
        };
        Ok(Books {
            config,
            directory,
            in_use: RwLock::new(Arc::new(in_use)),
            breaker: Breaker::default(),
            tally,
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
        // What slips while this runs is not repaired by it; and it may replace the driver, which is then no reason to wait.
        let (slips, tried) = (self.slips.load(Ordering::Acquire), self.in_use());
        let result = reconcile();
        self.unrepaired.store(!matches!(result, Ok(Reconciled::Whole)), Ordering::Release);
        *next = match &result {
            Ok(Reconciled::Whole) => None,
            Ok(Reconciled::InPart) | Err(_) => Some(Vain::after(next.take(), &tried)),
        };
        let repaired = match result? {
            Reconciled::Whole => slips,
            // Its own failures slipped, too; what others were is looked at again all the same.
            Reconciled::InPart => self.slips.load(Ordering::Acquire),
        };
        self.repaired.store(repaired, Ordering::Release);
        Ok(())
    }

    /// A driver that took all its time to fail is not asked to repair the books in the same breath.
    fn put_off_repairs(&self, slow: &Arc<InUse>) {
        // Held by whoever repairs: the failure is then that of a repair, which puts off the next one itself.
        if let Ok(mut next) = self.next_reconcile.try_lock() {
            *next = Some(Vain::after(next.take(), slow));
        }
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

    fn cached_images(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<CachedImage>> {
        // Counted apart: a first page that is sound does not make up for a second one that is not.
        let operation = if after.is_some() { "go on with a list" } else { "list images" };
        self.call(operation, Repeat::Safe, |d| d.cached_images(after, limit))
    }

    /// All records, page by page. `visit` answers how many of a page have no file: books that were away may have some, and
    /// those of a liar have no end.
    pub fn each_page(&self, mut visit: impl FnMut(Vec<CachedImage>) -> usize) -> Result<()> {
        let (mut after, mut strangers) = (None, 0);
        loop {
            let page = self.cached_images(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.image_id.clone());
            strangers += visit(page);
            if strangers > STRANGERS && !self.are_trusted() {
                let (operation, driver) = ("end a list", self.in_use().driver.name().to_owned());
                let reason = format!("it lists more than {STRANGERS} images that are not cached");
                self.distrust(operation, &reason);
                return Err(Error::Books { operation, driver, reason });
            }
        }
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

    /// A driver that answers nonsense, though no single answer is against the contract. True where it was replaced for
    /// that, so that it is worth asking again.
    pub fn distrust(&self, operation: &'static str, reason: &str) -> bool {
        self.out_of_step();
        self.note_failure(&self.in_use(), operation, reason)
    }

    /// Whether the driver came with the host, and is believed what nobody can check.
    pub fn are_trusted(&self) -> bool {
        self.in_use().driver.is_built_in()
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
        let mut in_use = self.in_use();
        let mut retry = Retry::of(&in_use.driver);
        let call = |driver: &Driver| self.counted(operation, || call(driver));
        let mut answer = call(&in_use.driver);
        loop {
            let error = match answer {
                Ok(answer) => {
                    // Of books that are yet to be repaired no answer proves anything.
                    if self.in_step() {
                        self.breaker.note_success(operation);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if !self.may_try_again(&in_use, operation, repeat, &error, &mut retry) {
                if retry.was_slow() {
                    self.put_off_repairs(&in_use);
                }
                let driver = in_use.driver.name().to_owned();
                return Err(Error::Books { operation, driver, reason: error.to_string() });
            }
            let next = self.in_use();
            if !Arc::ptr_eq(&next, &in_use) {
                // Another driver has time of its own.
                (in_use, retry) = (Arc::clone(&next), Retry::of(&next.driver));
            }
            answer = call(&retry.attempt(&in_use.driver));
        }
    }

    fn counted<T, E>(
        &self,
        operation: &'static str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let answer = call();
        self.tally.called(operation, begun.elapsed(), answer.is_err());
        answer
    }

    /// Counts an error where it speaks against the driver; whether the same call is worth another attempt.
    fn may_try_again(
        &self,
        in_use: &Arc<InUse>,
        operation: &'static str,
        repeat: Repeat,
        error: &CallError,
        retry: &mut Retry,
    ) -> bool {
        let is_safe = repeat == Repeat::Safe;
        match error {
            // Nothing was changed, so that every call may be repeated.
            CallError::Refused(DriverError::Busy) => {
                retry.busy()
                    || (!in_use.driver.is_built_in()
                        && self.note_failure(in_use, operation, error)
                        && is_safe)
            }
            CallError::Refused(refusal) => {
                is_defect(refusal) && self.note_failure(in_use, operation, error) && is_safe
            }
            CallError::Failed(_) => {
                // It is unknown what the driver did before it failed.
                self.out_of_step();
                let replaced = self.note_failure(in_use, operation, error);
                is_safe && (replaced || retry.once())
            }
            CallError::Corrupt(reason) => {
                retry.once() && self.start_anew(in_use, reason) && is_safe
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
        if !self.breaker.note_failure(operation, Instant::now()) || is_last_resort(driver) {
            return false;
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
        let within = WINDOW.as_secs();
        let reason = format!(
            "it failed to {operation} {FAILURES} times within {within} s, the last time thus: {reason}"
        );
        match fall_back(&self.config, &self.directory, reason) {
            Ok(fallback) => {
                self.breaker.reset();
                self.tally.fallbacks.one();
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

fn is_last_resort(driver: &str) -> bool {
    driver.eq_ignore_ascii_case(LAST_RESORT)
}

fn fall_back(config: &Config, directory: &Arc<Directory>, reason: String) -> Result<InUse> {
    let configured = config.driver.clone();
    if is_last_resort(&configured) {
        return Err(Error::NoDriver { configured, reason, fallback_reason: String::new() });
    }
    tracing::warn!(
        driver = configured,
        %reason,
        "the configured driver cannot be used; sqlite takes its place"
    );
    match Driver::load_last_resort(config, Arc::clone(directory)) {
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
