//! Calls the host without end: this uses none of its own time, but all of the call's time.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Asks;

impl image_cache_guest_hostile::Hostile for Asks {
    fn misbehave() -> Result<(), Error> {
        let question = statement("SELECT 1");
        loop {
            let _ = sql::query(&question);
        }
    }
}

image_cache_guest_hostile::hostile!(Asks);
