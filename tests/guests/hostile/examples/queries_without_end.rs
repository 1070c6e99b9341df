//! Repeatedly runs a recursive query that never ends.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Endless;

impl image_cache_guest_hostile::Hostile for Endless {
    fn misbehave() -> Result<(), Error> {
        let endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r";
        loop {
            stopped("an endless query", sql::query(&statement(endless)), &[Error::TooLarge]);
        }
    }
}

image_cache_guest_hostile::hostile!(Endless);
