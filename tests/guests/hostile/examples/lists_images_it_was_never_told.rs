//! Lists an image that was never recorded before all others.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::invented;

#[derive(Default)]
struct Invents;

impl image_cache_guest_hostile::Hostile for Invents {
    fn page(
        &mut self,
        mut page: Vec<CachedImage>,
        after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        if after.is_none() {
            page.insert(0, invented("!invented"));
        }
        page
    }
}

image_cache_guest_hostile::hostile!(Invents);
