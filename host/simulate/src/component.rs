//! A driver's component as the policy of a simulation.

use crate::policy::{Policy, PolicyError};
use crate::trace::{Request, Trace};
use image_cache_engine::{CallError, Driver, LoadError, SimulatedImages};
use image_cache_model::{
    AdmissionRequest, CacheSize, CachedImage, Config, Decision, Event, Eviction, Hit, ImageId,
    RemovalReason, Requester, system_time,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Hits that are passed to the driver in one call, at most.
const HITS_PER_CALL: usize = 1000;

/// Images that the policy evicts because of their age in one call, at most.
const EXPIRED_PER_CALL: u32 = 1000;

/// Microseconds of a second.
const MICROS: u64 = 1_000_000;

/// A driver, loaded on a database in memory and on images without bytes.
///
/// As in a cache, hits reach the driver in batches; none is held back when it is called for something else.
pub struct ComponentPolicy<'a> {
    driver: Driver,
    cached: SimulatedImages,
    images: &'a [ImageId],
    requesters: &'a [Requester],
    numbers: HashMap<&'a str, u32>,
    /// The size of each image when it was last cached, by its number.
    sizes: Vec<u64>,
    /// What the cache holds.
    held: CacheSize,
    hits: Vec<Hit>,
    /// When the driver's timer was last called, in microseconds.
    ticked: u64,
    calls: u64,
    time: Duration,
}

impl<'a> ComponentPolicy<'a> {
    /// Loads a driver by its configured name or its path, for this trace and a cache of `capacity` bytes.
    ///
    /// # Errors
    /// Every reason why it cannot be loaded or configured.
    pub fn load(
        name: &str,
        config: &Config,
        trace: &'a Trace,
        capacity: u64,
    ) -> Result<Self, LoadError> {
        let mut config = config.clone();
        (config.max_size, config.max_images) = (capacity, None);
        let (driver, cached) = Driver::load_simulated(name, &config)?;
        let images = &trace.images;
        let numbers = (0..).zip(images).map(|(number, id)| (id.as_str(), number)).collect();
        Ok(ComponentPolicy {
            driver,
            cached,
            images,
            requesters: &trace.requesters,
            numbers,
            sizes: vec![0; images.len()],
            held: CacheSize::default(),
            hits: Vec::new(),
            ticked: 0,
            calls: 0,
            time: Duration::ZERO,
        })
    }

    fn id(&self, image: u32) -> &'a ImageId {
        &self.images[image as usize]
    }

    fn requester(&self, request: &Request) -> Requester {
        self.requesters.get(request.requester as usize).cloned().unwrap_or_default()
    }

    fn call<T>(
        &mut self,
        call: &'static str,
        work: impl FnOnce(&Driver) -> Result<T, CallError>,
    ) -> Result<T, PolicyError> {
        let started = Instant::now();
        let result = work(&self.driver);
        self.time += started.elapsed();
        self.calls += 1;
        result.map_err(|error| PolicyError::Call { call, error })
    }

    /// Passes the hits to the driver that it does not know yet.
    fn pass_hits(&mut self) -> Result<(), PolicyError> {
        if self.hits.is_empty() {
            return Ok(());
        }
        let hits = std::mem::take(&mut self.hits);
        self.call("record-hits", |driver| driver.record_hits(&hits))?;
        if self.driver.has_events() {
            let events: Vec<Event> = hits.iter().map(Event::from).collect();
            self.call("notify", |driver| driver.notify(&events))?;
        }
        Ok(())
    }

    /// Tells the driver what happened, if it wants to know.
    fn notify(&mut self, event: impl FnOnce() -> Event) -> Result<(), PolicyError> {
        if !self.driver.has_events() {
            return Ok(());
        }
        let events = [event()];
        self.call("notify", |driver| driver.notify(&events))
    }

    /// Calls the driver's timer, if it has one and a second of the trace has passed.
    fn tick(&mut self, now: u64) -> Result<(), PolicyError> {
        if !self.driver.has_timer() || now < self.ticked.saturating_add(MICROS) {
            return Ok(());
        }
        self.ticked = now;
        self.call("tick", |driver| driver.tick(system_time(now)))
    }

    /// Selects victims and forgets them.
    fn select(
        &mut self,
        request: &Request,
        bytes_needed: u64,
        limit: u32,
    ) -> Result<Vec<u32>, PolicyError> {
        self.tick(request.at)?;
        let now = system_time(request.at);
        let cached = Some(self.held);
        let eviction = Eviction { now, bytes_needed, exclude: &[], limit, cached };
        let victims = self.call("select-victims", |driver| driver.select_victims(&eviction))?;
        let mut numbers = Vec::new();
        for victim in victims.into_iter().take(limit as usize) {
            let id = victim.image_id.as_str();
            let number = self.numbers.get(id).copied();
            let number = number.filter(|number| self.cached.contains(self.id(*number)));
            let number = number.ok_or_else(|| PolicyError::NotCached(id.to_owned()))?;
            self.forget(number, RemovalReason::Evicted, request.at)?;
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn forget(&mut self, image: u32, reason: RemovalReason, at: u64) -> Result<(), PolicyError> {
        let id = self.id(image);
        self.cached.remove(id);
        self.held.images -= 1;
        self.held.bytes -= self.sizes[image as usize];
        self.call("forget", |driver| driver.forget(std::slice::from_ref(id)))?;
        let at = system_time(at);
        self.notify(|| Event::Removed { image_id: id.clone(), at, reason })
    }
}

impl Policy for ComponentPolicy<'_> {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        let image_id = self.id(request.image).clone();
        let (at, bytes, requester) =
            (system_time(request.at), request.size, self.requester(request));
        self.hits.push(Hit { image_id, at, bytes, requester });
        if self.hits.len() < HITS_PER_CALL { Ok(()) } else { self.pass_hits() }
    }

    fn admits(&mut self, request: &Request) -> Result<bool, PolicyError> {
        self.pass_hits()?;
        self.tick(request.at)?;
        let (image_id, requester) = (self.id(request.image), &self.requester(request));
        let (size, now) = (Some(request.size), system_time(request.at));
        let request = AdmissionRequest::new(image_id, size, now, requester);
        let call = if self.driver.has_admission() { "admit" } else { "is-cacheable" };
        let decision = self.call(call, |driver| driver.admit(&request))?;
        Ok(decision == Decision::Admit)
    }

    fn give_up(&mut self, request: &Request) -> Result<(), PolicyError> {
        let (id, requester) = (self.id(request.image), self.requester(request));
        self.notify(|| Event::NotCached {
            image_id: id.clone(),
            at: system_time(request.at),
            bytes: request.size,
            requester,
        })
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        let (id, now) = (self.id(request.image), system_time(request.at));
        let image = CachedImage::new(id.clone(), request.size, now);
        self.cached.begin(id, request.size, now);
        self.call("record-cached", |driver| driver.record_cached(&image, None))?;
        self.cached.publish(id);
        self.sizes[request.image as usize] = request.size;
        self.held.images += 1;
        self.held.bytes += request.size;
        let requester = self.requester(request);
        self.notify(|| Event::Fetched {
            image_id: id.clone(),
            at: now,
            bytes: request.size,
            duration: Duration::from_micros(request.fetch_micros),
            requester,
        })
    }

    fn evict(&mut self, request: &Request, needed: u64) -> Result<Option<u32>, PolicyError> {
        self.pass_hits()?;
        Ok(self.select(request, needed, 1)?.pop())
    }

    fn expire(&mut self, request: &Request) -> Result<Vec<u32>, PolicyError> {
        self.pass_hits()?;
        self.select(request, 0, EXPIRED_PER_CALL)
    }

    fn finish(&mut self) -> Result<(), PolicyError> {
        self.pass_hits()
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.pass_hits()?;
        self.forget(request.image, RemovalReason::Replaced, request.at)
    }

    fn calls(&self) -> (u64, f64) {
        (self.calls, self.time.as_secs_f64())
    }
}
