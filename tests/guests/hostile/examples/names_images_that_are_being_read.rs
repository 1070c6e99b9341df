//! Repeatedly names images that could not be removed.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::victim;

#[derive(Default)]
struct Ignores;

impl image_cache_guest_hostile::Hostile for Ignores {
    fn victims(&mut self, victims: Vec<Victim>, request: &Eviction) -> Vec<Victim> {
        match request.exclude.first() {
            Some(excluded) => vec![victim(excluded)],
            None => victims,
        }
    }
}

image_cache_guest_hostile::hostile!(Ignores);
