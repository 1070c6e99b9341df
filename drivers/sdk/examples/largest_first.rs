//! A driver that evicts the largest image first. Its records are in SQL, and its policy is one line.

use image_cache_driver_sdk::prelude::*;

struct LargestFirst {
    records: SqlRecords,
}

impl SqlDriver for LargestFirst {
    fn describe() -> Description {
        Description { name: "largest-first".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(options: Options) -> Result<Self, ConfigurationError> {
        options.finish()?; // The driver has no options: each given option is an error that names it.
        Ok(LargestFirst { records: SqlRecords::open()? })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        self.records.victims(request, "size DESC, last_accessed, image_id")
    }
}

export_driver!(LargestFirst);
