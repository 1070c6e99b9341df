//! Joins a table with itself three times, and returns when the host interrupts the query.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Joins;

impl image_cache_guest_hostile::Hostile for Joins {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        let thousand = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 1000)";
        sql::execute(&statement(format!("INSERT INTO t {thousand} SELECT n FROM r")))?;
        let join = "SELECT sum(a.x * b.x + c.x) FROM t a, t b, t c";
        stopped("a billion rows", sql::query(&statement(join)), &[Error::TooLarge]);
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Joins);
