//! Starts passes over the files and never drops one.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Holds;

impl image_cache_guest_hostile::Hostile for Holds {
    fn misbehave() -> Result<(), Error> {
        let mut held = Vec::new();
        for _ in 0..10_000 {
            match files::list_cached() {
                Ok(listing) => held.push(listing),
                Err(Error::TooLarge) => break,
                Err(error) => return Err(error),
            }
        }
        assert!(held.len() <= 16, "not stopped: {} listings", held.len());
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Holds);
