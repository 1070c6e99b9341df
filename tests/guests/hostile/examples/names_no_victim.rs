//! Names no victim, even if the cache is full.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Spares;

impl image_cache_guest_hostile::Hostile for Spares {
    fn victims(&mut self, _victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        Vec::new()
    }
}

image_cache_guest_hostile::hostile!(Spares);
