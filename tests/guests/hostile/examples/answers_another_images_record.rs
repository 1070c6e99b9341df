//! Returns the record of another image than the requested one.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::invented;

#[derive(Default)]
struct Confuses;

impl image_cache_guest_hostile::Hostile for Confuses {
    fn record(&mut self, _found: Option<CachedImage>) -> Option<CachedImage> {
        Some(invented("another"))
    }
}

image_cache_guest_hostile::hostile!(Confuses);
