//! Defines triggers with long texts, which need much more space in SQLite's memory.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Defines;

impl image_cache_guest_hostile::Hostile for Defines {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        let columns = vec![vec!["1"; 16].join("+"); 95].join(", ");
        let body = vec![format!("SELECT {columns}"); 19].join(" UNION ALL ");
        let mut made = 0;
        for n in 0..190 {
            let trigger = format!("CREATE TRIGGER t{n} AFTER UPDATE ON t BEGIN {body}; END");
            match sql::execute(&statement(trigger)) {
                Ok(_) => made += 1,
                Err(Error::TooLarge) => {}
                Err(error) => return Err(error),
            }
        }
        assert!(made < 5, "not stopped: {made} triggers of 58 KiB, 5 MiB of memory each");
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Defines);
