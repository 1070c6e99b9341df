//! Common code of the hostile drivers: correct records in memory, and the functions in which each driver can misbehave. One file
//! in `examples/` (or, as text, in `text/`) is one driver, and has a test of the same name.
//!
//! The only option, `in`, names the export with the fault; without it each driver has its default export.

use image_cache_driver_sdk::{LruSelector, prelude::*};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A way to misbehave. The default of each function is correct.
pub trait Hostile: Default + 'static {
    /// The export with the fault, unless the option `in` names another one.
    const EXPORT: &'static str = "record-cached";

    /// Runs before the work of that export.
    fn misbehave() -> Result<(), Error> {
        Ok(())
    }

    /// Replaces the requested record.
    fn record(&mut self, found: Option<CachedImage>) -> Option<CachedImage> {
        found
    }

    /// Replaces a page of records after `after`.
    fn page(
        &mut self,
        page: Vec<CachedImage>,
        _after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        page
    }

    /// Replaces the size of all records.
    fn size(&mut self, size: CacheSize) -> CacheSize {
        size
    }

    /// Replaces the request for victims.
    fn asked(&mut self, request: Eviction) -> Eviction {
        request
    }

    /// Replaces the victims.
    fn victims(&mut self, victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        victims
    }

    /// Replaces the leftovers to remove.
    fn leftovers(&mut self, chosen: Vec<Leftover>) -> Vec<Leftover> {
        chosen
    }
}

thread_local! {
    /// The export with the fault.
    static EXPORT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The records of a hostile driver in memory. They are lost with the instance.
#[derive(Default)]
pub struct Records<H> {
    images: BTreeMap<String, CachedImage>,
    hostile: H,
}

/// The exports that [`hostile!`](crate::hostile) creates from a [`Hostile`], with the names of the SDK's trait.
#[allow(missing_docs, reason = "they are the trait's")]
impl<H: Hostile> Records<H> {
    pub fn describe() -> Description {
        // This function cannot return an error.
        let _ = misbehave::<H>("describe");
        Description { name: "hostile".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    pub fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let export = options.take("in").unwrap_or_else(|| H::EXPORT.into());
        options.finish()?;
        EXPORT.set(export);
        let failed = |error| ConfigurationError::Other(error_words(&error).into());
        misbehave::<H>("configure").map_err(failed)?;
        Ok(Self::default())
    }

    pub fn is_cacheable(&mut self) -> Result<bool, Error> {
        misbehave::<H>("is-cacheable")?;
        Ok(true)
    }

    pub fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        misbehave::<H>("record-cached")?;
        self.images.insert(image.image_id.clone(), image);
        Ok(())
    }

    pub fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        misbehave::<H>("record-hits")?;
        for hit in hits {
            if let Some(image) = self.images.get_mut(&hit.image_id) {
                image.hits += 1;
                image.last_accessed = image.last_accessed.max(hit.at);
            }
        }
        Ok(())
    }

    pub fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        misbehave::<H>("forget")?;
        self.images.retain(|id, _| !image_ids.contains(id));
        Ok(())
    }

    pub fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        misbehave::<H>("get-cached-image")?;
        Ok(self.hostile.record(self.images.get(&image_id).cloned()))
    }

    pub fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        misbehave::<H>("get-cached-images")?;
        let rest = self.images.values().filter(|image| Some(&image.image_id) > after.as_ref());
        let page = rest.take(limit as usize).cloned().collect();
        Ok(self.hostile.page(page, after.as_deref(), limit))
    }

    pub fn cache_size(&mut self) -> Result<CacheSize, Error> {
        misbehave::<H>("get-cache-size")?;
        let bytes = self.images.values().map(|image| image.size).sum();
        Ok(self.hostile.size(CacheSize { images: self.images.len() as u64, bytes }))
    }

    pub fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        misbehave::<H>("select-victims")?;
        let mut oldest = LruSelector::new(self.hostile.asked(request.clone()));
        for image in self.images.values() {
            oldest.offer(&image.image_id, image.size, image.last_accessed);
        }
        Ok(self.hostile.victims(oldest.into_victims(), &request))
    }

    pub fn select_leftovers(
        &mut self,
        leftovers: Vec<Leftover>,
        stalled_before: u64,
    ) -> Result<Vec<Leftover>, Error> {
        misbehave::<H>("select-leftovers")?;
        let chosen = image_cache_driver_sdk::stalled_leftovers(leftovers, stalled_before);
        Ok(self.hostile.leftovers(chosen))
    }
}

fn misbehave<H: Hostile>(export: &str) -> Result<(), Error> {
    if EXPORT.with_borrow(|chosen| chosen == export) { H::misbehave() } else { Ok(()) }
}

/// Exports the records of this [`Hostile`] as a driver.
#[macro_export]
macro_rules! hostile {
    ($hostile:ty) => {
        use image_cache_driver_sdk::prelude as sdk;

        struct Guest($crate::Records<$hostile>);

        impl sdk::Driver for Guest {
            fn describe() -> sdk::Description {
                $crate::Records::<$hostile>::describe()
            }

            fn configure(options: sdk::Options) -> Result<Self, sdk::ConfigurationError> {
                $crate::Records::configure(options).map(Guest)
            }

            fn is_cacheable(
                &mut self,
                _image_id: String,
                _size: Option<u64>,
                _now: u64,
            ) -> Result<bool, sdk::Error> {
                self.0.is_cacheable()
            }

            fn record_cached(&mut self, image: sdk::CachedImage) -> Result<(), sdk::Error> {
                self.0.record_cached(image)
            }

            fn record_hits(&mut self, hits: Vec<sdk::Hit>) -> Result<(), sdk::Error> {
                self.0.record_hits(hits)
            }

            fn forget(&mut self, image_ids: Vec<String>) -> Result<(), sdk::Error> {
                self.0.forget(image_ids)
            }

            fn cached_image(
                &mut self,
                image_id: String,
            ) -> Result<Option<sdk::CachedImage>, sdk::Error> {
                self.0.cached_image(image_id)
            }

            fn cached_images(
                &mut self,
                after: Option<String>,
                limit: u32,
            ) -> Result<Vec<sdk::CachedImage>, sdk::Error> {
                self.0.cached_images(after, limit)
            }

            fn cache_size(&mut self) -> Result<sdk::CacheSize, sdk::Error> {
                self.0.cache_size()
            }

            fn select_victims(
                &mut self,
                request: sdk::Eviction,
            ) -> Result<Vec<sdk::Victim>, sdk::Error> {
                self.0.select_victims(request)
            }

            fn select_leftovers(
                &mut self,
                leftovers: Vec<sdk::Leftover>,
                stalled_before: u64,
                _now: u64,
            ) -> Result<Vec<sdk::Leftover>, sdk::Error> {
                self.0.select_leftovers(leftovers, stalled_before)
            }
        }

        image_cache_driver_sdk::export_driver!(Guest);
    };
}

/// A record of an image that was never cached.
pub fn invented(image_id: impl Into<String>) -> CachedImage {
    CachedImage {
        image_id: image_id.into(),
        size: 1,
        hits: 1,
        last_accessed: 1,
        last_modified: 1,
        checksum: None,
    }
}

/// An endless sequence of records of images that were never cached, in the order of their ids.
#[derive(Default)]
pub struct Endless {
    told: u64,
}

impl Endless {
    /// The next records, as many as this.
    pub fn next(&mut self, images: u64) -> Vec<CachedImage> {
        let from = self.told;
        self.told += images;
        (from..self.told).map(|n| invented(format!("~{n:020}"))).collect()
    }
}

/// A victim that was never cached.
pub fn victim(image_id: impl Into<String>) -> Victim {
    Victim { image_id: image_id.into(), size: 1 }
}

/// A statement without parameters.
pub fn statement(sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), parameters: Vec::new() }
}

/// Checks that the host returned one of these errors; otherwise the driver panics, and the test detects that.
pub fn stopped<T>(what: &str, answer: Result<T, Error>, errors: &[Error]) {
    match answer {
        Ok(_) => panic!("not stopped: {what}"),
        Err(error) if errors.contains(&error) => {}
        Err(error) => panic!("{what} was stopped by {error:?}"),
    }
}

/// Lets the host work for about 100 ms, which is not the driver's own time: none of its calls is too long.
pub fn dawdle() {
    let slow = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 500000) SELECT count(*) FROM r";
    let _ = sql::query(&statement(slow));
}
