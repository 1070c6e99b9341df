//! Allocates and writes memory until there is no more.

use image_cache_driver_sdk::prelude::*;
use std::hint::black_box;

#[derive(Default)]
struct Greedy;

impl image_cache_guest_hostile::Hostile for Greedy {
    fn misbehave() -> Result<(), Error> {
        let mut taken = Vec::new();
        loop {
            taken.push(black_box(vec![1u8; 1 << 20]));
        }
    }
}

image_cache_guest_hostile::hostile!(Greedy);
