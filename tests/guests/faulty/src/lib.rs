//! A test driver with correct records in memory and one fault, which its options select.
//!
//! Options: `fault` (one of the names in `fault_plan.rs`), `in` (the export with the fault, such as `record-hits`; false results
//! have a fixed export), `after` (the number of calls of that export that succeed first, in each instance), and `refuse-larger`
//! (bytes above which an image is not cacheable). The records are lost with the instance; the driver imports only `log`.

mod fault_plan;

use fault_plan::{Fault, FaultPlan};
use image_cache_driver_sdk::{LruSelector, prelude::*};
use std::collections::BTreeMap;

/// The maximum number of surplus entries in a false result.
const FAR_TOO_MANY: u32 = 100_000;

struct Faulty {
    records: BTreeMap<String, CachedImage>,
    plan: FaultPlan,
    refuse_larger: Option<u64>,
}

impl Driver for Faulty {
    fn describe() -> Description {
        Description { name: "faulty".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let refuse_larger = options.take_parsed("refuse-larger", "a number of bytes")?;
        let mut plan = FaultPlan::take(&mut options)?;
        options.finish()?;
        match plan.inject("configure") {
            Ok(false) => Ok(Faulty { records: BTreeMap::new(), plan, refuse_larger }),
            Ok(true) => Err(ConfigurationError::Other("refused, as configured".into())),
            Err(Error::Unsupported) => {
                Err(ConfigurationError::Unsupported("unsupported, as configured".into()))
            }
            Err(Error::InvalidArgument) => {
                Err(ConfigurationError::InvalidOption("invalid, as configured".into()))
            }
            Err(error) => Err(ConfigurationError::Other(error_words(&error).into())),
        }
    }

    fn is_cacheable(
        &mut self,
        _image_id: String,
        size: Option<u64>,
        _now: u64,
    ) -> Result<bool, Error> {
        let refused = self.plan.inject("is-cacheable")?;
        let too_large = self.refuse_larger.zip(size).is_some_and(|(limit, size)| size > limit);
        Ok(!refused && !too_large)
    }

    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        if self.plan.inject("record-cached")? {
            return Ok(());
        }
        self.records.insert(image.image_id.clone(), image);
        Ok(())
    }

    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        self.plan.inject("record-hits")?;
        for hit in hits {
            if let Some(image) = self.records.get_mut(&hit.image_id) {
                image.hits = image.hits.saturating_add(1);
                image.last_accessed = image.last_accessed.max(hit.at);
            }
        }
        Ok(())
    }

    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        self.plan.inject("forget")?;
        for id in image_ids {
            self.records.remove(&id);
        }
        Ok(())
    }

    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        self.plan.inject("get-cached-image")?;
        Ok(self.records.get(&image_id).cloned())
    }

    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        let lie = if self.plan.inject("get-cached-images")? { self.plan.fault() } else { None };
        let after = if lie == Some(Fault::EndlessPage) { None } else { after };
        let rest = self
            .records
            .values()
            .filter(|image| after.as_ref().is_none_or(|after| image.image_id > *after));
        let mut page: Vec<_> = rest.take(limit as usize).cloned().collect();
        match lie {
            Some(Fault::Unsorted) => page.reverse(),
            Some(Fault::TooMany) => page = repeated(page, limit),
            Some(Fault::PathImage) if after.is_none() => page.insert(0, image_named("../x")),
            Some(Fault::ForeignImage) if after.is_none() => page.insert(0, image_named("!foreign")),
            _ => {}
        }
        Ok(page)
    }

    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        if self.plan.inject("get-cache-size")? {
            return Ok(CacheSize { images: u64::MAX, bytes: u64::MAX });
        }
        let bytes = self.records.values().fold(0u64, |sum, image| sum.saturating_add(image.size));
        Ok(CacheSize { images: self.records.len() as u64, bytes })
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        let lie = if self.plan.inject("select-victims")? { self.plan.fault() } else { None };
        let limit = request.limit;
        let excluded =
            request.exclude.iter().map(|id| Victim { image_id: id.clone(), size: 1 }).collect();
        let bytes_needed = match lie {
            Some(Fault::EveryVictim) => u64::MAX,
            _ => request.bytes_needed,
        };
        let mut oldest = LruSelector::new(Eviction { bytes_needed, ..request });
        self.records
            .values()
            .for_each(|image| oldest.offer(&image.image_id, image.size, image.last_accessed));
        let named = |id: &str| vec![Victim { image_id: id.into(), size: 1 }];
        Ok(match lie {
            Some(Fault::ForeignVictim) => named("foreign"),
            Some(Fault::PathVictim) => named("../x"),
            Some(Fault::ExcludedVictim) => excluded,
            Some(Fault::TooMany) => repeated(oldest.into_victims(), limit),
            Some(Fault::NoVictim) => Vec::new(),
            _ => oldest.into_victims(),
        })
    }

    fn select_leftovers(
        &mut self,
        mut leftovers: Vec<Leftover>,
        stalled_before: u64,
        _now: u64,
    ) -> Result<Vec<Leftover>, Error> {
        if self.plan.inject("select-leftovers")? {
            let state = LeftoverState::Invalid;
            leftovers.push(Leftover { image_id: "../x".into(), state, size: 1, modified: 0 });
            return Ok(leftovers);
        }
        Ok(image_cache_driver_sdk::stalled_leftovers(leftovers, stalled_before))
    }
}

/// The same entry repeatedly, one more than `limit`.
fn repeated<T: Clone>(page: Vec<T>, limit: u32) -> Vec<T> {
    page.iter().cycle().take(limit.min(FAR_TOO_MANY) as usize + 1).cloned().collect()
}

fn image_named(id: &str) -> CachedImage {
    CachedImage {
        image_id: id.into(),
        size: 1,
        hits: 1,
        last_accessed: 1,
        last_modified: 1,
        checksum: None,
    }
}

export_driver!(Faulty);
