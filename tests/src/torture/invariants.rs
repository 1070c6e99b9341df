//! The invariants after any fault, as seen by a new process that opens the cache.

use super::operation::{IMAGES, LEFTOVERS, Operation, QUEUE, hits, image, predecessor};
use super::sandbox::Sandbox;
use super::tracer::{End, MAKING_CHILDREN};
use crate::{TempCache, md5_hex, queued, serve};
use image_cache::{CachedImage, Expected, ImageCache, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The permitted entries of `.image-cache/`, in addition to quarantined databases.
const OWN_FILES: [&str; 6] =
    ["lock", "images", "users", "queue-clock", "attributes.lock", "database.lock"];

/// The permitted directories, which are empty if nothing is cached.
const OWN_FOLDERS: [&str; 4] = ["blocks", "drivers", "running", "state"];

/// The known result of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// It reported success.
    pub told: bool,
    /// It reported an error.
    pub warned: bool,
    /// The power failed: hits and changes of the queue may be lost, and removed images may be restored.
    pub power_lost: bool,
    /// A call failed: sqlite may have replaced the driver, and its database may exist.
    pub faulty: bool,
}

impl Ending {
    /// After a program in which a call failed and that ended by itself.
    pub fn of_fault(outcome: &super::sandbox::Outcome) -> Ending {
        let told = outcome.end == End::Code(0) && !outcome.err.contains("not cached");
        Ending { told, warned: !outcome.err.is_empty(), power_lost: false, faulty: true }
    }
}

/// Checks all invariants; returns every violation.
pub fn violations(sandbox: &Sandbox, operation: &Operation, ending: Ending) -> Vec<String> {
    // A child process that is being created would have our locks for a moment.
    let _no_child = MAKING_CHILDREN.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let violations = Invariants { temp: sandbox.temp(), operation, ending };
    let mut found = violations.as_left();
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let mut found = violations.opened();
        found.extend(violations.emptied());
        found
    }));
    found.extend(looked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        vec![text.unwrap_or_else(|| "looking at it panicked".to_owned())]
    }));
    found
}

struct Invariants<'a> {
    temp: TempCache,
    operation: &'a Operation,
    ending: Ending,
}

impl Invariants<'_> {
    /// Before the cache is opened: a file with an image's name must contain that image.
    fn as_left(&self) -> Vec<String> {
        let mut found = Vec::new();
        for id in self.temp.images().into_keys() {
            match (image(&id), fs::read(self.temp.path(&id))) {
                (None, _) => found.push(format!("{id} is among the images")),
                (Some(_), Ok(bytes)) if self.is_image(&id, &bytes) => {}
                (Some(_), bytes) => found
                    .push(format!("{id} has other bytes ({:?})", bytes.map(|bytes| bytes.len()))),
            }
        }
        found.extend(self.unrecorded());
        found
    }

    /// The record is written first: an image that a dead writer published has a record before any repair.
    fn unrecorded(&self) -> Vec<String> {
        let (Operation { comes, .. }, Ending { power_lost, faulty, .. }) =
            (self.operation, self.ending);
        let mut came = self.temp.images();
        came.retain(|id, _| comes.contains(&id.as_str()));
        // If writing the record failed, the image is published without a record.
        if came.is_empty() || power_lost || faulty {
            return Vec::new();
        }
        let recorded = match self.temp.recorded() {
            Ok(recorded) => recorded,
            Err(error) => return vec![format!("the records cannot be looked at: {error}")],
        };
        let missing = came.into_keys().filter(|id| !recorded.contains(id));
        missing.map(|id| format!("{id} was published without a record")).collect()
    }

    fn opened(&self) -> Vec<String> {
        let cache = match self.open() {
            Ok(cache) => cache,
            Err(error) => return vec![error],
        };
        let mut found = self.images(&cache);
        found.extend(self.queue(&cache));
        found.extend(self.leftovers());
        found.extend(self.caches_again(&cache));
        drop(cache);
        found.extend(self.side_files());
        self.temp.records_in_sync();
        found
    }

    fn open(&self) -> Result<ImageCache, String> {
        let config = self.temp.config().build().map_err(|error| error.to_string())?;
        let cache =
            ImageCache::open(config).map_err(|error| format!("it cannot be opened: {error}"))?;
        match cache.driver().fallback {
            Some(fallback) => Err(format!("the driver was replaced: {}", fallback.reason)),
            None => Ok(cache),
        }
    }

    /// Each image is served, listed and on disk, or none of these; and it exists if it must.
    fn images(&self, cache: &ImageCache) -> Vec<String> {
        let mut found = Vec::new();
        let listed = match cache.cached_images() {
            Ok(listed) => listed,
            Err(error) => return vec![format!("the images cannot be listed: {error}")],
        };
        let listed: BTreeMap<String, CachedImage> =
            listed.into_iter().map(|record| (record.image_id.to_string(), record)).collect();
        let on_disk: BTreeSet<String> = self.temp.images().into_keys().collect();
        if !listed.keys().eq(on_disk.iter()) {
            found.push(format!("listed are {:?}, on disk {on_disk:?}", listed.keys()));
        }
        let (images, size) = cache.cache_size().map_or((0, 0), |size| (size.images, size.bytes));
        let sum: u64 = listed.values().map(|record| record.size).sum();
        if (images, size) != (listed.len() as u64, sum) {
            found.push(format!("counted are {images} images, {size} bytes; listed {sum} bytes"));
        }
        for (id, _) in IMAGES {
            found.extend(self.presence(id, on_disk.contains(id)));
            if let Some(record) = listed.get(id) {
                found.extend(self.record(record));
            }
            found.extend(self.served(cache, id, on_disk.contains(id)));
        }
        found
    }

    /// Whether an image exists or not as required.
    fn presence(&self, id: &str, is_there: bool) -> Option<String> {
        let (operation, told) = (self.operation, self.ending.told);
        let was_there = operation.there.contains(&id);
        if operation.comes.contains(&id) {
            return (told && !is_there).then(|| format!("{id} was reported as cached, and is not"));
        }
        if operation.goes.contains(&id) {
            let stays = told && !self.ending.warned && !self.ending.power_lost;
            return (stays && is_there)
                .then(|| format!("{id} was reported as removed, and is not"));
        }
        if self.ending.warned && operation.goes_instead.contains(&id) {
            return None;
        }
        match (was_there, is_there) {
            (true, false) => Some(format!("{id} is lost")),
            (false, true) => Some(format!("{id} came from nowhere")),
            _ => None,
        }
    }

    /// Whether these may be the bytes of an image.
    fn is_image(&self, id: &str, bytes: &[u8]) -> bool {
        image(id).is_some_and(|image| image == bytes) || self.is_predecessor(id, bytes)
    }

    /// Whether it is the image that existed before and was not replaced yet.
    fn is_predecessor(&self, id: &str, bytes: &[u8]) -> bool {
        self.may_be_predecessor(id) && bytes == predecessor()
    }

    fn may_be_predecessor(&self, id: &str) -> bool {
        self.operation.replaces && !self.ending.told && id == "added"
    }

    fn record(&self, record: &CachedImage) -> Vec<String> {
        let (id, mut found) = (record.image_id.as_str(), Vec::new());
        let bytes = fs::read(self.temp.path(id)).unwrap_or_default();
        if record.size != bytes.len() as u64 {
            found.push(format!("{id} is listed with {} bytes", record.size));
        }
        if record.checksum.as_ref().is_some_and(|sum| sum.value() != md5_hex(&bytes)) {
            found.push(format!("{id} is listed with a wrong checksum"));
        }
        let least = if self.operation.loses_hits || self.ending.power_lost { 0 } else { hits(id) };
        let read = u64::from(self.operation.reads == Some(id));
        if !(least..=hits(id) + read).contains(&record.hits) {
            found.push(format!("{id} had {} hits, and has {}", hits(id), record.hits));
        }
        found
    }

    fn served(&self, cache: &ImageCache, id: &str, is_there: bool) -> Option<String> {
        match (serve(cache, id), is_there) {
            (Ok(bytes), true) if self.is_image(id, &bytes) => None,
            (Ok(bytes), _) => Some(format!("{id} is served with {} other bytes", bytes.len())),
            (Err(error), false) if error.kind() == io::ErrorKind::NotFound => None,
            // The previous image is restored, but not its digests: it was removed, so it need not be served.
            (Err(error), true)
                if self.may_be_predecessor(id)
                    && self.ending.power_lost
                    && error.kind() == io::ErrorKind::InvalidData =>
            {
                None
            }
            (Err(error), _) => Some(format!("{id} is not served: {error}")),
        }
    }

    /// The order is unchanged; dequeued ids may be missing, and new ids come last.
    fn queue(&self, cache: &ImageCache) -> Vec<String> {
        let before: Vec<&str> = match self.operation {
            Operation { there: [], .. } => Vec::new(),
            // A cached image is no longer in the queue.
            Operation { replaces: true, .. } => {
                QUEUE.into_iter().filter(|id| *id != "added").collect()
            }
            _ => QUEUE.to_vec(),
        };
        let (told, operation) =
            (self.ending.told && !self.ending.warned && !self.ending.power_lost, self.operation);
        let now = queued(cache);
        let is_cached = |id: &&String| matches!(cache.is_cached(id), Ok(true));
        let wanted = now.iter().filter(is_cached);
        let mut found: Vec<_> = wanted.map(|id| format!("{id} is cached and queued")).collect();
        let mut order = before.iter().chain(operation.queues);
        let mut entries: Vec<&str> = now.iter().map(String::as_str).collect();
        if self.ending.power_lost || !self.ending.told {
            // An entry that was not stamped, or whose stamp was lost, has the time of its creation. The kernel's clock advances only
            // every few milliseconds, so entries of one command can change places.
            let old = entries.iter().take_while(|id| before.contains(id)).count();
            entries[old..].sort_by_key(|id| operation.queues.iter().position(|new| new == id));
        }
        if !entries.iter().all(|id| order.any(|before| before == id)) {
            found.push(format!("queued are {now:?}"));
        }
        for id in before.iter().chain(operation.queues) {
            let is_queued = now.iter().any(|now| now == id);
            let (may_go, may_miss) =
                (operation.dequeues.contains(id), operation.queues.contains(id));
            if !is_queued && !may_go && (!may_miss || told) {
                found.push(format!("{id} is no longer queued, or was never"));
            }
            if is_queued && may_go && told {
                found.push(format!("{id} is still queued"));
            }
        }
        found
    }

    fn leftovers(&self) -> Vec<String> {
        let told = self.ending.told && !self.ending.warned && !self.ending.power_lost;
        if !(self.operation.cleans && told) {
            return Vec::new();
        }
        let left = LEFTOVERS.iter().filter(|name| self.temp.path(name).exists());
        left.map(|name| format!("{name} was reported as removed, and is not")).collect()
    }

    /// Every image that is not cached can be cached at once.
    fn caches_again(&self, cache: &ImageCache) -> Vec<String> {
        let mut found = Vec::new();
        for (id, _) in IMAGES {
            if matches!(cache.is_cached(id), Ok(true)) {
                continue;
            }
            let bytes = image(id).unwrap_or_default();
            if !matches!(cache.is_cacheable(id, None), Ok(true)) {
                found.push(format!("{id} is not cacheable"));
            }
            match cache.cache_image(id, &bytes[..], Expected::nothing()) {
                Ok(Outcome::Cached(_)) => found.extend(self.served(cache, id, true)),
                other => found.push(format!("{id} cannot be cached again: {other:?}")),
            }
            if self.temp.path("incomplete").join(id).exists() {
                found.push(format!("incomplete/{id} is still there"));
            }
        }
        found
    }

    /// After a clean close, and again after everything was removed.
    fn side_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        for name in self.temp.names("") {
            let known = match name.as_str() {
                ".image-cache" | "incomplete" | "invalid" | "queue" => true,
                "cache.db" => self.temp.driver() == "sqlite" || self.ending.faulty,
                name => image(name).is_some(),
            };
            if !known {
                found.push(format!("{name} is leaked"));
            }
        }
        for name in self.temp.names(".image-cache") {
            let known = OWN_FILES.contains(&name.as_str())
                || OWN_FOLDERS.contains(&name.as_str())
                || name.starts_with("cache.db.corrupt-");
            if !known {
                found.push(format!(".image-cache/{name} is leaked"));
            }
        }
        found
    }

    fn emptied(&self) -> Vec<String> {
        let cache = match self.open() {
            Ok(cache) => cache,
            Err(error) => return vec![format!("opened again: {error}")],
        };
        let mut found = Vec::new();
        if let Err(error) = cache.clean(Some(Duration::ZERO)) {
            found.push(format!("it cannot be cleaned: {error}"));
        }
        if let Err(error) = cache.delete_all_cached_images() {
            found.push(format!("the images cannot be removed: {error}"));
        }
        drop(cache);
        found.extend(self.side_files());
        for folder in ["incomplete", "invalid", ".image-cache/blocks", ".image-cache/running"] {
            let left = self.temp.names(folder);
            if !left.is_empty() {
                found.push(format!("{folder}/ still has {left:?}"));
            }
        }
        let (images, records) = (self.temp.images(), self.temp.records());
        if !(images.is_empty() && records.is_empty()) {
            found.push(format!("{images:?} and {records:?} remain of the removed images"));
        }
        found
    }
}
