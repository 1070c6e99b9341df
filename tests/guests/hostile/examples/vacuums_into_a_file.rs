//! Tries to copy its database to another path.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Vacuums;

impl image_cache_guest_hostile::Hostile for Vacuums {
    fn misbehave() -> Result<(), Error> {
        for text in ["VACUUM", "VACUUM INTO '../../../copy.db'", "VACUUM INTO 'queue/copy'"] {
            stopped(text, sql::execute(&statement(text)), &[Error::Denied]);
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Vacuums);
