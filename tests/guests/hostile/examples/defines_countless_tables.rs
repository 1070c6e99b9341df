//! Defines tables without end, which SQLite keeps in memory.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Defines;

impl image_cache_guest_hostile::Hostile for Defines {
    fn misbehave() -> Result<(), Error> {
        let columns: Vec<String> = (0..100).map(|n| format!("column_{n}")).collect();
        let columns = columns.join(", ");
        for n in 0..1000 {
            let table = statement(format!("CREATE TABLE IF NOT EXISTS t{n}({columns})"));
            match sql::execute(&table) {
                Ok(_) => {}
                Err(Error::TooLarge) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        panic!("not stopped: 1,000 tables");
    }
}

image_cache_guest_hostile::hostile!(Defines);
