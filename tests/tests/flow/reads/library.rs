//! The library.

use super::{Reader, Reads, Store};
use image_cache::ImageCache;
use image_cache_tests::{TempCache, Tested};
use std::ops::Range;

pub struct Library {
    cache: ImageCache,
    store: Store,
}

impl Reads for Library {
    const BUFFERED: usize = 0;

    fn open(temp: &TempCache, store: &Store, fetch_to_end: bool) -> Tested<Library> {
        let cache = temp.open_with(|config| config.fetch_to_end(fetch_to_end));
        Ok(Library { cache, store: store.clone() })
    }

    fn get(&self) -> Tested<Reader> {
        let (expected, fetch) = (self.store.expected()?, self.store.source.fetch());
        Ok(Box::new(self.cache.get_or_fetch("a", expected, fetch)?))
    }

    fn get_range(&self, range: Range<u64>) -> Tested<Reader> {
        let (expected, fetch) = (self.store.expected()?, self.store.source.fetch());
        let reader = self.cache.get_or_fetch_range("a", range, expected, fetch)?;
        Ok(Box::new(reader.ok_or("it can be cached")?))
    }

    fn close(self) -> Tested<Option<u64>> {
        Ok(Some(self.cache.status()?.cache_failures))
    }
}
