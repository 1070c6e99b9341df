//! GreedyDual with the cost of a fetch: an image stays in proportion to the time that each of its bytes saves. While the cache has room,
//! every image is admitted; when it is nearly full, one that comes back, or that is requested a second time.
//!
//! P. Cao, S. Irani, "Cost-Aware WWW Proxy Caching Algorithms", USENIX Symposium on Internet Technologies and Systems (USITS), 1997.
//!
//! It uses what the example `quota` does not: the time and the bytes of a fetch, the bytes of each read, the reason of a removal, the
//! kind of a request, and how full the cache is. `worth` has the priorities, `fill` how full the cache is.

mod fill;
mod worth;

use fill::Fill;
use image_cache_driver_sdk::client_request;
use image_cache_driver_sdk::prelude::*;
use worth::Worth;

/// The driver. An instance keeps nothing in memory that it cannot rebuild.
struct Cost {
    records: SqlRecords,
    worth: Worth,
    fill: Fill,
    admission: Admission,
}

impl SqlDriver for Cost {
    fn describe() -> Description {
        Description { name: "cost".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let admission = Admission::two_hit(&mut options)?;
        options.finish()?;
        let mut records = SqlRecords::open()?;
        let fault = |what: &str, error| {
            ConfigurationError::Other(format!("{what}: {}", error_words(&error)))
        };
        let worth = Worth::open().map_err(|error| fault("making the table worth", error))?;
        let held = records.size().map_err(|error| fault("reading the size", error))?.bytes;
        let fill = Fill::new(capacity::get_limits().bytes, held);
        Ok(Cost { records, worth, fill, admission })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    fn is_cacheable(
        &mut self,
        image_id: String,
        size: Option<u64>,
        now: u64,
    ) -> Result<bool, Error> {
        Ok(self.admit(client_request(image_id, size, now))? == Decision::Admit)
    }

    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        let (image_id, size, hits) = (image.image_id.clone(), image.size, image.hits);
        self.records.record(image)?;
        self.worth.begin(&image_id, size, hits)?;
        self.fill.add(size);
        Ok(())
    }

    /// The priorities stay until the event says why the images went.
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        let freed = self.worth.end(&image_ids)?;
        self.records.forget(image_ids)?;
        self.fill.subtract(freed);
        Ok(())
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        // The host counts files, also those of other processes; it answers only during this call.
        if let Some(usage) = capacity::get_usage() {
            self.fill.set(usage.bytes);
        }
        self.records.victims_of(request, worth::ORDER)
    }
}

impl AdmissionPolicy for Cost {
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        let is_wanted = matches!(request.requester.kind, RequestKind::Add | RequestKind::Prefetch);
        if is_wanted || self.fill.has_room() || self.worth.was_evicted(&request.image_id)? {
            return self.admission.admit(&request);
        }
        Ok(match self.admission.decide(&request)? {
            Decision::Admit => Decision::Admit,
            Decision::Refuse(reason) => {
                metrics::add_to_counter("cost_refusals", &[], 1);
                Decision::Refuse(format!("the cache is {} % full: {reason}", self.fill.percent()))
            }
        })
    }
}

impl EventListener for Cost {
    fn notify(&mut self, events: Vec<Event>) -> Result<(), Error> {
        for event in events {
            match event {
                Event::Fetched(fetched) => {
                    self.worth.learn_cost(&fetched.image_id, fetched.duration, fetched.bytes)?;
                    metrics::add_to_counter("cost_fetch_microseconds", &[], fetched.duration);
                }
                Event::Read(read) => self.worth.count(&read.image_id, read.bytes)?,
                Event::Removed(removed) => {
                    let is_evicted = removed.reason == RemovalReason::Evicted;
                    self.worth.learn_reason(&removed.image_id, is_evicted)?;
                }
                Event::NotCached(_) => {}
            }
        }
        Ok(())
    }
}

export_driver!(Cost, admission, events);

#[cfg(test)]
mod tests;
