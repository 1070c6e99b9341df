//! S3-FIFO: new images enter a small queue, which takes a tenth of the cache. Those that are used again move on to the main queue;
//! the others are evicted, and their ids are remembered in a ghost queue. An image that comes back while it is remembered enters
//! the main queue. In the main queue, an image that was used goes round once more, up to three times.
//!
//! J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi, "FIFO Queues are All You Need for Cache Eviction", 29th ACM Symposium on
//! Operating Systems Principles (SOSP), 2023. As in the authors' simulator, an image moves on after two uses, and while nothing
//! has been evicted yet, images that find the small queue full enter the main one.
//!
//! The paper assumes that every object is much smaller than the small queue. Images are large: one that does not fit into the
//! small queue enters the main one, or is refused as in the authors' simulator (`large = "refuse"`).
//!
//! The records are those of the SDK. `tables` has the queues beside them, which SQL triggers keep in step with the records;
//! `state` their sizes and shares; `next` the next eviction by their indexes; `walk` what evictions do to the queues, in memory; `victims` the
//! order of eviction; `evict` an eviction in the tables.

mod evict;
mod next;
mod state;
mod tables;
mod victims;
mod walk;

use image_cache_driver_sdk::client_request;
use image_cache_driver_sdk::prelude::*;
use next::Next;
use state::Shares;
use std::str::FromStr;

/// The driver. An instance keeps only its configuration in memory, and what it found for the last request of victims, which the
/// next instance finds again.
struct S3Fifo {
    records: SqlRecords,
    /// The next eviction, until something changes.
    next: Option<Next>,
    admission: Admission,
    large: Large,
    shares: Shares,
}

/// What becomes of an image that does not fit into the small queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Large {
    /// It enters the main queue.
    Main,
    /// It is not cached.
    Refuse,
}

impl FromStr for Large {
    type Err = ();

    fn from_str(text: &str) -> Result<Large, ()> {
        match text {
            "main" => Ok(Large::Main),
            "refuse" => Ok(Large::Refuse),
            _ => Err(()),
        }
    }
}

impl SqlDriver for S3Fifo {
    fn describe() -> Description {
        Description { name: "s3-fifo".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let admission = Admission::take(&mut options)?;
        let large = options.take_parsed("large", "\"main\" or \"refuse\"")?.unwrap_or(Large::Main);
        options.finish()?;
        let records = SqlRecords::open()?;
        let shares = Shares::of(capacity::get_limits().bytes);
        tables::prepare(&shares).map_err(|error| {
            ConfigurationError::Other(format!("preparing the queues: {}", error_words(&error)))
        })?;
        Ok(S3Fifo { records, next: None, admission, large, shares })
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
        self.next = None;
        self.records.record(image)
    }

    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        self.next = None;
        self.records.count(hits)
    }

    /// One image after the other, so that the queues move in the order of the evictions.
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        for image_id in image_ids {
            evict::forget(&image_id, &self.shares, self.next.take())?;
        }
        Ok(())
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        let next = next::find(&self.shares)?;
        let victims = victims::select(request, &self.shares, &next)?;
        self.next = Some(next);
        Ok(victims)
    }
}

impl AdmissionPolicy for S3Fifo {
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        self.next = None;
        let small = self.shares.small;
        if let (Large::Refuse, Some(size)) = (self.large, request.size.filter(|size| *size > small))
        {
            return Ok(Decision::Refuse(format!(
                "it has {size} bytes, and the small queue takes {small}"
            )));
        }
        // An image that comes back was requested before.
        if tables::expect_back(&request.image_id)? {
            return self.admission.admit(&request);
        }
        self.admission.decide(&request)
    }
}

export_driver!(S3Fifo, admission);
