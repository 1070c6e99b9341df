//! Always returns its first page.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Repeats {
    first: Vec<CachedImage>,
}

impl image_cache_guest_hostile::Hostile for Repeats {
    fn page(
        &mut self,
        page: Vec<CachedImage>,
        after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        if after.is_none() {
            self.first = page;
        }
        self.first.clone()
    }
}

image_cache_guest_hostile::hostile!(Repeats);
