//! A driver that evicts the largest image first. Its records are in SQL, and its policy is one line.

use image_cache_driver_sdk::prelude::*;

struct LargestFirst {
    records: SqlRecords,
}

impl Driver for LargestFirst {
    fn describe() -> Description {
        Description { name: "largest-first".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(options: Options) -> Result<Self, ConfigurationError> {
        options.finish()?; // The driver has no options: each given option is an error that names it.
        Ok(LargestFirst { records: SqlRecords::open()? })
    }

    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        self.records.record(image)
    }

    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        self.records.count(hits)
    }

    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        self.records.forget(image_ids)
    }

    fn cached_image(&mut self, id: String) -> Result<Option<CachedImage>, Error> {
        self.records.find(id)
    }

    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        self.records.page(after, limit)
    }

    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        self.records.size()
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        self.records.victims(request, "size DESC, last_accessed, image_id")
    }
}

export_driver!(LargestFirst);
