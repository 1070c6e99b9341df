//! A time to live for each image, by the beginning of its id: nightly builds expire after a day, releases never. Where room is
//! needed, expired images go first, and then the least recently accessed ones.
//!
//! Images that an operator pinned do not expire: the host excludes them, and the log says how many they are.

mod rules;

use image_cache_driver_sdk::prelude::*;
use rules::Rules;
use std::collections::HashSet;

/// Records that are read at once.
const PAGE: u32 = 4000;

/// Pinned images that are counted for the log.
const PINS: u32 = 1000;

/// Microseconds between two lines about pins.
const HOUR: u64 = 60 * 60 * 1_000_000;

/// The driver. An instance keeps nothing in memory that it cannot rebuild.
struct Expiry {
    records: SqlRecords,
    rules: Rules,
    /// When the pins were last logged, in microseconds.
    logged: u64,
}

impl SqlDriver for Expiry {
    fn describe() -> Description {
        Description { name: "expiry".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(mut options: Options) -> Result<Self, ConfigurationError> {
        let rules = Rules::take(&mut options)?;
        options.finish()?;
        Ok(Expiry { records: SqlRecords::open()?, rules, logged: 0 })
    }

    fn records(&mut self) -> &mut SqlRecords {
        &mut self.records
    }

    fn select_victims(&mut self, mut request: Eviction) -> Result<Vec<Victim>, Error> {
        let mut victims = self.expired(&request)?;
        let bytes = |sum: u64, victim: &Victim| sum.saturating_add(victim.size);
        let freed = victims.iter().fold(0, bytes);
        if freed < request.bytes_needed && victims.len() < request.limit as usize {
            request.exclude.extend(victims.iter().map(|victim| victim.image_id.clone()));
            request.bytes_needed -= freed;
            request.limit -= u32::try_from(victims.len()).unwrap_or(request.limit);
            victims.extend(self.records.victims(request, "last_accessed, image_id")?);
        }
        Ok(victims)
    }
}

impl Expiry {
    /// The expired images, as many as are needed; all of them if no bytes are needed.
    fn expired(&mut self, request: &Eviction) -> Result<Vec<Victim>, Error> {
        let excluded: HashSet<&String> = request.exclude.iter().collect();
        let (mut victims, mut freed, mut after) = (Vec::new(), 0u64, None);
        loop {
            let page = self.records.page(after.take(), PAGE)?;
            let Some(last) = page.last() else { return Ok(victims) };
            after = Some(last.image_id.clone());
            for CachedImage { image_id, size, last_modified, .. } in page {
                let is_enough = request.bytes_needed > 0 && freed >= request.bytes_needed;
                if is_enough || victims.len() >= request.limit as usize {
                    return Ok(victims);
                }
                let is_expired = self.rules.is_expired(&image_id, last_modified, request.now);
                if is_expired && !excluded.contains(&image_id) {
                    freed = freed.saturating_add(size);
                    victims.push(Victim { image_id, size });
                }
            }
        }
    }
}

impl Timer for Expiry {
    fn tick(&mut self, now: u64) -> Result<(), Error> {
        if now.abs_diff(self.logged) < HOUR {
            return Ok(());
        }
        self.logged = now;
        let pinned = pins::list_pinned(None, PINS)?;
        let is_held = |image: &&pins::PinnedImage| self.rules.of(&image.image_id).is_some();
        let held = pinned.iter().filter(is_held).count();
        metrics::set_gauge("expiry_pinned_images", &[], held as f64);
        if held > 0 {
            log(Level::Info, &format!("pins keep {held} images that have a time to live"));
        }
        Ok(())
    }
}

export_driver!(Expiry, timer);

#[cfg(test)]
mod tests;
