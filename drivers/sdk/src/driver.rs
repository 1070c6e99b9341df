//! The trait that a driver implements, with defaults for most functions.

use crate::types::{CachedImage, Error};
use crate::{
    CacheSize, ConfigurationError, Description, Eviction, Hit, Leftover, LeftoverState,
    LruSelector, Options, Victim,
};

/// The page size of the default implementations.
const PAGE: u32 = 1000;

/// A driver: the records of the cache, and its policy. Implement it, and name the type to
/// [`export_driver!`](crate::export_driver).
///
/// A value is the state of one instance in memory. The host can discard an instance at any time, and there may be several: keep
/// nothing that cannot be rebuilt. Every time is in microseconds since 1970, every size in bytes. The calls that change records
/// ignore images that are not in the records. After an error, the records must be unchanged, or the same call must be safe to
/// repeat.
pub trait Driver: Sized + 'static {
    /// The driver's name and version, for display. The host calls this before `configure`; it must not call imports.
    fn describe() -> Description;

    /// Creates the instance: reads the options, refuses unknown options, and creates what the driver needs in its storage. The
    /// host configures every new instance, with the records that earlier instances left.
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

    /// Writes the record and replaces an existing one. During the call, `attributes` and `files` use the file that is about to be
    /// published for this id.
    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error>;

    /// Counts hits, oldest first: each adds one, and moves `last_accessed` forward to its time, never back.
    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error>;

    /// Removes records.
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error>;

    /// The record of one image, or none if it is not in the records.
    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error>;

    /// A page of records: at most `limit`, ascending by the bytes of the id, beginning after `after`; empty at the end.
    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error>;

    /// The number of records and the sum of their bytes. The default reads all pages of records: override it if the storage can
    /// sum.
    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        let mut size = CacheSize { images: 0, bytes: 0 };
        for_each_record(self, |image| {
            size.images += 1;
            size.bytes = size.bytes.saturating_add(image.size);
        })?;
        Ok(size)
    }

    /// The images to evict, in order, until the sizes reach `bytes_needed` or there are `limit` of them; none of `exclude`. The
    /// default selects the least recently accessed images, by reading all pages of records: override it if the storage can sort.
    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        let mut oldest = LruSelector::new(request);
        for_each_record(self, |image| {
            oldest.offer(&image.image_id, image.size, image.last_accessed)
        })?;
        Ok(oldest.into_victims())
    }

    /// Selects from a page of leftovers those to remove now. The default is [`stalled_leftovers`].
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

/// All invalid leftovers, and those incomplete ones that were last written at `stalled_before` or earlier.
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
    fn invalid_and_stalled_leftovers_are_removed() {
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
