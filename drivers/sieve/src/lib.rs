//! SIEVE: images are in one queue, in the order in which they were cached. A hand moves from the oldest to the newest and around
//! again. It passes over images that were used since it came by, and forgets that they were; it evicts the first image that was
//! not used.
//!
//! Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson, K. V. Rashmi, "SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for
//! Web Caches", 21st USENIX Symposium on Networked Systems Design and Implementation (NSDI), 2024.
//!
//! The records are those of the SDK. The queue is a table beside them, which SQL triggers keep: what changes a record changes the
//! queue in the same transaction. `queue` has the tables and triggers, `victims` the order of eviction.

mod queue;
mod victims;

use image_cache_driver_sdk::client_request;
use image_cache_driver_sdk::prelude::*;

/// The driver. An instance keeps nothing in memory.
struct Sieve {
    records: SqlRecords,
    admission: Admission,
}

impl SqlDriver for Sieve {
    fn describe() -> Description {
        Description { name: "sieve".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let admission = Admission::take(&mut options)?;
        options.finish()?;
        let records = SqlRecords::open()?;
        queue::prepare().map_err(|error| {
            ConfigurationError::Other(format!("preparing the queue: {}", error_words(&error)))
        })?;
        Ok(Sieve { records, admission })
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

    /// One image after the other, so that the hand moves in the order of the evictions.
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        image_ids.into_iter().try_for_each(|image_id| self.records.forget(vec![image_id]))
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        victims::select(request, |statement| Ok(sql::query(statement)?.rows))
    }
}

impl AdmissionPolicy for Sieve {
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        self.admission.decide(&request)
    }
}

export_driver!(Sieve, admission);
