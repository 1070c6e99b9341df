//! Returns a thousand new images in every page, in the correct order.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::Endless;

#[derive(Default)]
struct Lists(Endless);

impl image_cache_guest_hostile::Hostile for Lists {
    fn page(
        &mut self,
        _page: Vec<CachedImage>,
        _after: Option<&str>,
        limit: u32,
    ) -> Vec<CachedImage> {
        self.0.next(limit.into())
    }
}

image_cache_guest_hostile::hostile!(Lists);
