//! Names every image for eviction, whether or not bytes are needed.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Greedy;

impl image_cache_guest_hostile::Hostile for Greedy {
    fn asked(&mut self, request: Eviction) -> Eviction {
        Eviction { bytes_needed: u64::MAX, ..request }
    }
}

image_cache_guest_hostile::hostile!(Greedy);
