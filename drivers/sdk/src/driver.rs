//! The trait that a driver implements, with what most drivers want as defaults.

use crate::types::{CachedImage, Error};
use crate::{
    CacheSize, ConfigurationError, Description, Eviction, Hit, Leftover, LeftoverState,
    LruSelector, Options, Victim,
};

/// How many records the defaults ask for at once.
const PAGE: u32 = 1000;

/// A driver: the records of the cache, and its policy. Implement it, and name the type to
/// [`export_driver!`](crate::export_driver).
///
/// A value is what one instance keeps in memory. Instances are disposable and may be several: keep nothing that cannot be
/// rebuilt. Every time is in microseconds since 1970, every size in bytes. If an image is not in the records, the calls that
/// change records pass it over. An error must leave the records unchanged, or fit for the same call once more.
pub trait Driver: Sized + 'static {
    /// The driver's name and version, for people. Asked before `configure`; must not call imports.
    fn describe() -> Description;

    /// Makes the instance: reads the options, refuses those it does not know, and makes what it needs in its storage. Every
    /// new instance is configured, over the records that earlier ones left.
    fn configure(options: Options) -> Result<Self, ConfigurationError>;

    /// Admission: may this image be cached? `size` is in bytes, if it is known. By default: yes.
    fn is_cacheable(
        &mut self,
        image_id: String,
        size: Option<u64>,
        now: u64,
    ) -> Result<bool, Error> {
        let _ = (image_id, size, now);
        Ok(true)
    }

    /// Writes the record, in place of any that is there. During the call, `attributes` and `files` take the id for the file
    /// that is about to be published.
    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error>;

    /// Counts hits, oldest first: each adds one, and moves `last_accessed` forward to its time, never back.
    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error>;

    /// Removes records.
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error>;

    /// The record of one image, or none if it is not in the records.
    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error>;

    /// A page of records: at most `limit`, ascending by the bytes of the id, from the first after `after`; empty at the end.
    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error>;

    /// How many records there are, and their bytes. By default it pages through all: override it if the storage can sum.
    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        let mut size = CacheSize { images: 0, bytes: 0 };
        for_each_record(self, |image| {
            size.images += 1;
            size.bytes = size.bytes.saturating_add(image.size);
        })?;
        Ok(size)
    }

    /// What to evict, first to go first, until the sizes reach `bytes_needed` or there are `limit`; none of `exclude`. By
    /// default the least recently accessed, found by paging through all records: override it if the storage can sort.
    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        let mut oldest = LruSelector::new(request);
        for_each_record(self, |image| {
            oldest.offer(&image.image_id, image.size, image.last_accessed)
        })?;
        Ok(oldest.into_victims())
    }

    /// Of a page of leftovers, those to remove now. By default [`stalled_leftovers`].
    fn select_leftovers(
        &mut self,
        leftovers: Vec<Leftover>,
        stalled_before: u64,
        now: u64,
    ) -> Result<Vec<Leftover>, Error> {
        let _ = now;
        Ok(stalled_leftovers(leftovers, stalled_before))
    }
}

/// All leftovers that are invalid, and of the incomplete ones those last written to at `stalled_before` or earlier.
pub fn stalled_leftovers(mut leftovers: Vec<Leftover>, stalled_before: u64) -> Vec<Leftover> {
    leftovers.retain(|leftover| match leftover.state {
        LeftoverState::Invalid => true,
        LeftoverState::Incomplete => leftover.modified <= stalled_before,
    });
    leftovers
}

fn for_each_record(
    driver: &mut impl Driver,
    mut visit: impl FnMut(&CachedImage),
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = driver.cached_images(after.take(), PAGE)?;
        page.iter().for_each(&mut visit);
        let Some(last) = page.into_iter().next_back() else { return Ok(()) };
        after = Some(last.image_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leftover(image_id: &str, state: LeftoverState, modified: u64) -> Leftover {
        Leftover { image_id: image_id.into(), state, size: 1, modified }
    }

    #[test]
    fn all_that_is_invalid_and_what_stalled_is_removed() {
        let leftovers = vec![
            leftover("young", LeftoverState::Incomplete, 101),
            leftover("stalled", LeftoverState::Incomplete, 100),
            leftover("broken", LeftoverState::Invalid, 200),
        ];
        let removed = stalled_leftovers(leftovers, 100);
        let ids: Vec<_> = removed.iter().map(|l| l.image_id.as_str()).collect();
        assert_eq!(ids, ["stalled", "broken"]);
    }
}
