//! my-driver: a driver of image-cache that evicts the least frequently read images first.

use image_cache_driver_sdk::prelude::*;

/// The state of an instance in memory: only values that the next instance can restore.
struct LeastOftenRead {
    records: SqlRecords,
    /// The option `largest`: larger images are not cached.
    largest: u64,
}

impl Driver for LeastOftenRead {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let largest = options.take_parsed("largest", "a number of bytes")?;
        options.finish()?;
        Ok(LeastOftenRead {
            records: SqlRecords::open()?,
            largest: largest.unwrap_or(u64::MAX),
        })
    }

    fn is_cacheable(&mut self, _: String, size: Option<u64>, _now: u64) -> Result<bool, Error> {
        Ok(admits(self.largest, size))
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

    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        self.records.find(image_id)
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
        self.records
            .victims(request, "hits, last_accessed, image_id")
    }
}

/// Whether an image of this size may be cached. An image of unknown size may be cached.
fn admits(largest: u64, size: Option<u64>) -> bool {
    size.is_none_or(|size| size <= largest)
}

export_driver!(LeastOftenRead);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_known_to_be_too_large_are_refused() {
        assert!(admits(10, Some(10)) && admits(10, None));
        assert!(!admits(10, Some(11)));
    }
}
