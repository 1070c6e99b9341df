//! The calls of a driver, as the cases use them.

use super::failure::{Failure, Verdict, cannot, equal};
use super::fixture::Fixture;
use super::images::{at, id, ids, write_file};
use crate::driver::{CallError, Driver, DriverError};
use image_cache_model::{
    AdmissionRequest, CacheSize, CachedImage, Decision, Event, Eviction, Hit, Leftover, Requester,
    Victim,
};
use std::fs::File;
use std::time::{Duration, SystemTime};

/// How often a call is repeated while the driver's storage is busy, and the pause before each.
const BUSY_ATTEMPTS: u32 = 500;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Records per page if the case does not depend on it.
const PAGE: u32 = 100;

/// More pages than any case's records need.
const PAGES_AT_MOST: usize = 1000;

impl Fixture {
    /// Puts a file that agrees with the record in the image's place.
    pub(super) fn place(&self, image: &CachedImage) -> Verdict {
        let path = self.directory.path().join(image.image_id.as_str());
        write_file(&path, image).map(drop).map_err(|e| cannot("write", &path, &e))
    }

    /// Places a file and records it.
    pub(super) fn add(&self, image: &CachedImage) -> Verdict {
        self.place(image)?;
        self.record(image, None)
    }

    /// Adds all of these images.
    pub(super) fn add_all<'a>(&self, images: impl IntoIterator<Item = &'a CachedImage>) -> Verdict {
        images.into_iter().try_for_each(|image| self.add(image))
    }

    pub(super) fn record(&self, image: &CachedImage, file: Option<&File>) -> Verdict {
        self.ask("record-cached", |driver| driver.record_cached(image, file))
    }

    /// One hit in its own call.
    pub(super) fn hit(&self, name: &str, at: SystemTime) -> Verdict {
        self.hits(&[(name, at)])
    }

    pub(super) fn hits(&self, hits: &[(&str, SystemTime)]) -> Verdict {
        let hits: Vec<Hit> = hits.iter().map(|(name, at)| Hit::new(id(name), *at)).collect();
        self.ask("record-hits", |driver| driver.record_hits(&hits))
    }

    /// Removes files and then records, as the host does.
    pub(super) fn remove(&self, names: &[&str]) -> Verdict {
        for name in names {
            self.directory
                .remove_cached(&id(name))
                .map_err(|e| cannot("remove", &self.directory.path().join(name), &e))?;
        }
        self.forget(names)
    }

    pub(super) fn forget(&self, names: &[&str]) -> Verdict {
        let ids = ids(names);
        self.ask("forget", |driver| driver.forget(&ids))
    }

    pub(super) fn get(&self, name: &str) -> Verdict<Option<CachedImage>> {
        let id = id(name);
        self.ask("get-cached-image", |driver| driver.cached_image(&id))
    }

    /// The hits in the record of an image; a failure if there is no record.
    pub(super) fn hit_count(&self, name: &str) -> Verdict<u64> {
        self.known(name).map(|image| image.hits)
    }

    /// The record of an image that must be in the records.
    pub(super) fn known(&self, name: &str) -> Verdict<CachedImage> {
        self.get(name)?.ok_or_else(|| Failure::new(format!("a record of {name}"), "none"))
    }

    /// Compares the record of an image with this one.
    pub(super) fn has(&self, image: &CachedImage) -> Verdict {
        let name = image.image_id.as_str();
        equal(&format!("the record of {name}"), &self.get(name)?.as_ref(), &Some(image))
    }

    /// Checks that the driver has no record of the image, in all calls.
    pub(super) fn lacks(&self, name: &str) -> Verdict {
        equal(&format!("the record of {name}"), &self.get(name)?, &None)?;
        let listed = self.list()?.into_iter().find(|image| image.image_id.as_str() == name);
        equal(&format!("{name} in the list"), &listed, &None)
    }

    pub(super) fn page(&self, after: Option<&str>, limit: u32) -> Verdict<Vec<CachedImage>> {
        let after = after.map(id);
        self.ask("get-cached-images", |driver| driver.cached_images(after.as_ref(), limit))
    }

    /// The ids of a page.
    pub(super) fn page_ids(&self, after: Option<&str>, limit: u32) -> Verdict<Vec<String>> {
        Ok(names(&self.page(after, limit)?))
    }

    /// All records, read in pages.
    pub(super) fn list(&self) -> Verdict<Vec<CachedImage>> {
        self.list_in_pages_of(PAGE)
    }

    pub(super) fn list_in_pages_of(&self, limit: u32) -> Verdict<Vec<CachedImage>> {
        let mut images: Vec<CachedImage> = Vec::new();
        for _ in 0..PAGES_AT_MOST {
            let after = images.last().map(|image| image.image_id.as_str());
            let page = self.page(after, limit)?;
            if page.is_empty() {
                return Ok(images);
            }
            images.extend(page);
        }
        Err(Failure::new(
            "a page without records at the end of the list",
            format!("{PAGES_AT_MOST} pages with records"),
        ))
    }

    pub(super) fn size(&self) -> Verdict<CacheSize> {
        self.ask("get-cache-size", Driver::cache_size)
    }

    pub(super) fn victims(
        &self,
        bytes_needed: u64,
        exclude: &[&str],
        limit: u32,
    ) -> Verdict<Vec<Victim>> {
        let exclude = ids(exclude);
        // The records of a case are those of its files.
        let cached = self.driver.cache_size().ok();
        let request = Eviction { now: at(1000), bytes_needed, exclude: &exclude, limit, cached };
        self.ask("select-victims", |driver| driver.select_victims(&request))
    }

    /// As many victims as are needed, when the host counted these images.
    pub(super) fn victims_of(
        &self,
        bytes_needed: u64,
        cached: Option<CacheSize>,
    ) -> Verdict<Vec<Victim>> {
        let request = Eviction { now: at(1000), bytes_needed, exclude: &[], limit: 1000, cached };
        self.ask("select-victims", |driver| driver.select_victims(&request))
    }

    /// The victims' ids in their order.
    pub(super) fn victim_ids(
        &self,
        bytes_needed: u64,
        exclude: &[&str],
        limit: u32,
    ) -> Verdict<Vec<String>> {
        let victims = self.victims(bytes_needed, exclude, limit)?;
        Ok(victims.into_iter().map(|victim| victim.image_id.as_str().to_owned()).collect())
    }

    pub(super) fn leftovers(
        &self,
        offered: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
    ) -> Verdict<Vec<Leftover>> {
        self.ask("select-leftovers", |driver| driver.select_leftovers(offered, stalled_before, now))
    }

    /// The answer for a client of an unknown tenant.
    pub(super) fn admits(&self, name: &str, size: Option<u64>, now: SystemTime) -> Verdict<bool> {
        self.admit(name, size, now, &Requester::default()).map(|it| it == Decision::Admit)
    }

    /// The answer of the interface `admission`, if the driver exports it, after that of `is-cacheable`, which must be there too.
    pub(super) fn admit(
        &self,
        name: &str,
        size: Option<u64>,
        now: SystemTime,
        requester: &Requester,
    ) -> Verdict<Decision> {
        let id = id(name);
        let request = AdmissionRequest::new(&id, size, now, requester);
        let is_cacheable = self.ask("is-cacheable", |driver| driver.is_cacheable(&request))?;
        if self.driver.has_admission() {
            return self.ask("admit", |driver| driver.admit(&request));
        }
        Ok(if is_cacheable { Decision::Admit } else { Decision::Refuse(None) })
    }

    pub(super) fn notify(&self, events: &[Event]) -> Verdict {
        self.ask("notify", |driver| driver.notify(events))
    }

    pub(super) fn tick(&self, now: SystemTime) -> Verdict {
        self.ask("tick", |driver| driver.tick(now))
    }

    /// Makes a call, and repeats it while the driver's storage is busy.
    fn ask<T>(
        &self,
        call: &'static str,
        ask: impl Fn(&Driver) -> Result<T, CallError>,
    ) -> Verdict<T> {
        let ask = || self.recorder.timed(call, || ask(&self.driver));
        for _ in 1..BUSY_ATTEMPTS {
            match ask() {
                Err(CallError::Refused(DriverError::Busy)) => std::thread::sleep(BUSY_PAUSE),
                answer => return answered(call, answer),
            }
        }
        answered(call, ask())
    }
}

/// The ids of records, in their order.
pub(super) fn names(images: &[CachedImage]) -> Vec<String> {
    images.iter().map(|image| image.image_id.as_str().to_owned()).collect()
}

fn answered<T>(call: &str, answer: Result<T, CallError>) -> Verdict<T> {
    answer.map_err(|error| Failure::of_error(format!("an answer to {call}"), &error))
}
