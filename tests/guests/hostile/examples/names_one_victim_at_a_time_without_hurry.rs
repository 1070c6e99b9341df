//! Names one victim, even if more are needed, and slowly.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::dawdle;

#[derive(Default)]
struct Slow;

impl image_cache_guest_hostile::Hostile for Slow {
    fn victims(&mut self, mut victims: Vec<Victim>, _request: &Eviction) -> Vec<Victim> {
        dawdle();
        victims.truncate(1);
        victims
    }
}

image_cache_guest_hostile::hostile!(Slow);
