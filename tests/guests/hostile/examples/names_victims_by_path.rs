//! Names files outside of the cache, and the cache's own, as victims.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::victim;

#[derive(Default)]
struct Aims;

impl image_cache_guest_hostile::Hostile for Aims {
    fn victims(&mut self, _victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        ["../outside.db", "cache.db", "queue", ".image-cache"].map(victim).into()
    }
}

image_cache_guest_hostile::hostile!(Aims);
