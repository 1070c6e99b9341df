//! Needs `sql`, `attributes` and `files`, which its test does not grant.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Presumes;

impl image_cache_guest_hostile::Hostile for Presumes {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE loot(x)"))?;
        attributes::set("image", "mine", b"1")?;
        files::set_accessed("image", 0)
    }
}

image_cache_guest_hostile::hostile!(Presumes);
