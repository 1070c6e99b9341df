//! Names one victim that is not cached whenever it is not excluded.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::victim;

#[derive(Default)]
struct Insists;

impl image_cache_guest_hostile::Hostile for Insists {
    fn victims(&mut self, _victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        vec![victim("the-same-as-ever")]
    }
}

image_cache_guest_hostile::hostile!(Insists);
