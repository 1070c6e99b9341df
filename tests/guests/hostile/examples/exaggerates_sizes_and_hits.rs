//! Returns impossibly large sizes, hits and sums.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Boasts;

fn boast(mut image: CachedImage) -> CachedImage {
    (image.size, image.hits) = (u64::MAX, u64::MAX);
    (image.last_accessed, image.last_modified) = (u64::MAX, u64::MAX);
    image
}

impl image_cache_guest_hostile::Hostile for Boasts {
    fn record(&mut self, found: Option<CachedImage>) -> Option<CachedImage> {
        found.map(boast)
    }

    fn page(
        &mut self,
        page: Vec<CachedImage>,
        _after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        page.into_iter().map(boast).collect()
    }

    fn size(&mut self, _size: CacheSize) -> CacheSize {
        CacheSize { images: u64::MAX, bytes: u64::MAX }
    }

    fn victims(&mut self, victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        victims.into_iter().map(|victim| Victim { size: u64::MAX, ..victim }).collect()
    }
}

image_cache_guest_hostile::hostile!(Boasts);
