//! Has another page for every question, of one image that nobody cached, and takes its time for each.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{dawdle, invented};

#[derive(Default)]
struct Endless {
    told: u64,
}

impl image_cache_guest_hostile::Hostile for Endless {
    fn page(
        &mut self,
        _page: Vec<CachedImage>,
        _after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        dawdle();
        self.told += 1;
        vec![invented(format!("~{:020}", self.told))]
    }
}

image_cache_guest_hostile::hostile!(Endless);
