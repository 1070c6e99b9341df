//! Never returns.

use image_cache_driver_sdk::prelude::*;
use std::hint::black_box;

#[derive(Default)]
struct Loops;

impl image_cache_guest_hostile::Hostile for Loops {
    fn misbehave() -> Result<(), Error> {
        loop {
            black_box(());
        }
    }
}

image_cache_guest_hostile::hostile!(Loops);
