//! Returns its pages in descending order.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Unsorted;

impl image_cache_guest_hostile::Hostile for Unsorted {
    fn page(
        &mut self,
        mut page: Vec<CachedImage>,
        _after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        page.reverse();
        page
    }
}

image_cache_guest_hostile::hostile!(Unsorted);
