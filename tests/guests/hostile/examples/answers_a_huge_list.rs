//! Always names a million victims.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::victim;

#[derive(Default)]
struct Lists;

impl image_cache_guest_hostile::Hostile for Lists {
    fn victims(&mut self, _victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        vec![victim(""); 1_000_000]
    }
}

image_cache_guest_hostile::hostile!(Lists);
