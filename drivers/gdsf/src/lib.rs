//! GDSF: the eviction order depends on how often and how recently an image was used, and on its size.
//!
//! The priority of an image is `clock + uses × cost / size`, and the image with the lowest priority is evicted first. The clock
//! is the highest priority that was evicted so far. When an image is used, its priority is computed again with the current clock;
//! images that are not used keep their priority until the clock reaches it. So small images outlive large ones, frequently used
//! images outlive rarely used ones, and the weight of old uses decreases with each eviction, without an update of any other
//! image.
//!
//! L. Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Laboratories, Technical
//! Report HPL-98-69 (R.1), 1998.
//!
//! The records are in SQL. An instance keeps only its configuration in memory, because the host can discard an instance at any
//! time, and other processes may have further instances. `statements` has the records, `policy` the arithmetic, `victims` the
//! eviction order.

mod policy;
mod statements;
mod victims;

use image_cache_driver_sdk::client_request;
use image_cache_driver_sdk::prelude::*;
use policy::Goal;

/// The driver. An instance keeps only its configuration in memory.
struct Gdsf {
    goal: Goal,
    admission: Admission,
}

impl Driver for Gdsf {
    fn describe() -> Description {
        Description { name: "gdsf".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let accepted = "\"hits\" (to serve as many reads as possible) or \"bytes\" (as many bytes as possible)";
        let goal = options.take_parsed("goal", accepted)?.unwrap_or(Goal::Hits);
        let admission = Admission::take(&mut options)?;
        options.finish()?;
        statements::prepare(goal).map_err(|error| {
            ConfigurationError::Other(format!("preparing the database: {}", error_words(&error)))
        })?;
        Ok(Gdsf { goal, admission })
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
        sql::execute(&statements::insert(image, self.goal)).map(drop)
    }

    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        run(&statements::count(hits, self.goal))
    }

    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        run(&statements::remove(&image_ids))
    }

    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        Ok(sql::query(&statements::select_one(image_id))?
            .rows
            .into_iter()
            .find_map(statements::record))
    }

    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        let rows = sql::query(&statements::select_page(after, limit))?.rows;
        Ok(rows.into_iter().filter_map(statements::record).collect())
    }

    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        Ok(statements::size(&sql::query(&statements::select_size())?.rows))
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        victims::select(request, |statement| Ok(sql::query(statement)?.rows))
    }
}

impl AdmissionPolicy for Gdsf {
    fn admit(&mut self, request: AdmissionRequest) -> Result<Decision, Error> {
        self.admission.decide(&request)
    }
}

/// Executes one statement directly, and several statements in one transaction.
fn run(statements: &[Statement]) -> Result<(), Error> {
    match statements {
        [] => Ok(()),
        [one] => sql::execute(one).map(drop),
        several => sql::execute_all(several).map(drop),
    }
}

export_driver!(Gdsf, admission);
