//! Writes to its database until it is full, in one transaction and in many.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Fills;

/// Half a MiB.
const INSERT: &str = "INSERT INTO t WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 10) \
                      SELECT zeroblob(50000) FROM r";

impl image_cache_guest_hostile::Hostile for Fills {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        let all = sql::execute_all(&vec![statement(INSERT); 1000]);
        assert!(all.is_err(), "not stopped: 500 MiB in a transaction");
        loop {
            match sql::execute(&statement(INSERT)) {
                Ok(_) => {}
                Err(Error::Full) => break,
                Err(error) => return Err(error),
            }
        }
        // Existing rows may be overwritten, which fills the log.
        for _ in 0..50 {
            let _ = sql::execute(&statement("UPDATE t SET x = zeroblob(49999)"));
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Fills);
