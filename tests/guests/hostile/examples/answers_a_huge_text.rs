//! Returns an error of 40 MiB.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Shouts;

impl image_cache_guest_hostile::Hostile for Shouts {
    fn misbehave() -> Result<(), Error> {
        Err(Error::Other("a".repeat(40 << 20)))
    }
}

image_cache_guest_hostile::hostile!(Shouts);
