//! Returns a further page for every request, with one image that was never recorded, and slowly.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{Endless, dawdle};

#[derive(Default)]
struct Lists(Endless);

impl image_cache_guest_hostile::Hostile for Lists {
    fn page(
        &mut self,
        _page: Vec<CachedImage>,
        _after: Option<&str>,
        _limit: u32,
    ) -> Vec<CachedImage> {
        dawdle();
        self.0.next(1)
    }
}

image_cache_guest_hostile::hostile!(Lists);
