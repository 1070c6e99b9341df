//! A shorter trait for drivers whose records are in SQL: only the policy is left to write.

use crate::types::{CachedImage, Error};
use crate::{
    CacheSize, ConfigurationError, Description, Driver, Eviction, Hit, Options, SqlRecords, Victim,
};

/// A driver whose records are [`SqlRecords`]. Whoever implements it has implemented [`Driver`], so name the type to
/// [`export_driver!`](crate::export_driver). By default it admits every image and evicts the least recently accessed first.
///
/// Implement [`Driver`] itself if the records are kept elsewhere, or if leftovers need a policy of their own.
pub trait SqlDriver: Sized + 'static {
    /// As [`Driver::describe`].
    fn describe() -> Description;

    /// As [`Driver::configure`]: reads the options, refuses unknown options, and opens the records.
    fn configure(options: Options) -> Result<Self, ConfigurationError>;

    /// The records, which `configure` opened.
    fn records(&mut self) -> &mut SqlRecords;

    /// Admission, as [`Driver::is_cacheable`]. By default: yes.
    fn is_cacheable(
        &mut self,
        image_id: String,
        size: Option<u64>,
        now: u64,
    ) -> Result<bool, Error> {
        let _ = (image_id, size, now);
        Ok(true)
    }

    /// As [`Driver::record_cached`].
    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        self.records().record(image)
    }

    /// As [`Driver::record_hits`].
    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        self.records().count(hits)
    }

    /// As [`Driver::forget`].
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        self.records().forget(image_ids)
    }

    /// The images to evict, as [`Driver::select_victims`]. By default the least recently accessed images;
    /// [`SqlRecords::victims`] takes any other order.
    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        self.records().victims(request, "last_accessed, image_id")
    }
}

impl<D: SqlDriver> Driver for D {
    fn describe() -> Description {
        <D as SqlDriver>::describe()
    }

    fn configure(options: Options) -> Result<Self, ConfigurationError> {
        <D as SqlDriver>::configure(options)
    }

    fn is_cacheable(
        &mut self,
        image_id: String,
        size: Option<u64>,
        now: u64,
    ) -> Result<bool, Error> {
        SqlDriver::is_cacheable(self, image_id, size, now)
    }

    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        SqlDriver::record_cached(self, image)
    }

    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        SqlDriver::record_hits(self, hits)
    }

    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        SqlDriver::forget(self, image_ids)
    }

    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        self.records().find(image_id)
    }

    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        self.records().page(after, limit)
    }

    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        self.records().size()
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        SqlDriver::select_victims(self, request)
    }
}
