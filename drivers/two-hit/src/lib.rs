//! Admission at the second request: an image that is requested once is served and not cached. The order of eviction is LRU.
//!
//! B. M. Maggs, R. K. Sitaraman, "Algorithmic Nuggets in Content Delivery", ACM SIGCOMM Computer Communication Review 45(3), 2015
//! ("cache-on-second-hit").
//!
//! The SDK has the admission, so that other drivers offer it as an option (`admission = "two-hit"`).

use image_cache_driver_sdk::client_request;
use image_cache_driver_sdk::prelude::*;

/// The driver. An instance keeps nothing in memory.
struct TwoHit {
    records: SqlRecords,
    admission: Admission,
}

impl SqlDriver for TwoHit {
    fn describe() -> Description {
        Description { name: "two-hit".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let admission = Admission::two_hit(&mut options)?;
        options.finish()?;
        Ok(TwoHit { records: SqlRecords::open()?, admission })
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
}

impl AdmissionPolicy for TwoHit {
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        self.admission.decide(&request)
    }
}

export_driver!(TwoHit, admission);
