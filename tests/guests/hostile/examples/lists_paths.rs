//! Lists paths instead of ids.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::invented;

#[derive(Default)]
struct Paths;

impl image_cache_guest_hostile::Hostile for Paths {
    fn page(
        &mut self,
        mut page: Vec<CachedImage>,
        after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        if after.is_none() {
            page.insert(0, invented("../outside.db"));
        }
        page
    }
}

image_cache_guest_hostile::hostile!(Paths);
