//! Always returns `busy`.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Busy;

impl image_cache_guest_hostile::Hostile for Busy {
    fn misbehave() -> Result<(), Error> {
        Err(Error::Busy)
    }
}

image_cache_guest_hostile::hostile!(Busy);
