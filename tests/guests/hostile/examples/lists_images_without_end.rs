//! Has another thousand images for every page, in the right order.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::invented;

#[derive(Default)]
struct Endless {
    told: u64,
}

impl image_cache_guest_hostile::Hostile for Endless {
    fn page(
        &mut self,
        _page: Vec<CachedImage>,
        _after: Option<&str>,
        limit: u32,
    ) -> Vec<CachedImage> {
        let from = self.told;
        self.told += u64::from(limit);
        (from..self.told).map(|n| invented(format!("~{n:020}"))).collect()
    }
}

image_cache_guest_hostile::hostile!(Endless);
