//! Tries to open other databases: one beside the cache directory, and that of the sqlite driver.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Attaches;

impl image_cache_guest_hostile::Hostile for Attaches {
    fn misbehave() -> Result<(), Error> {
        for file in ["../../../outside.db", "../../cache.db", "/tmp/outside.db", ":memory:", ""] {
            for text in [
                format!("ATTACH '{file}' AS other"),
                format!("ATTACH DATABASE 'file:{file}?mode=rwc' AS other"),
            ] {
                stopped(&text, sql::execute(&statement(&text)), &[Error::Denied]);
            }
        }
        stopped("DETACH", sql::execute(&statement("DETACH main")), &[Error::Denied]);
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Attaches);
