//! Sorts and groups more rows than fit into memory, so that SQLite would fill memory or a temporary file.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Sorts;

impl image_cache_guest_hostile::Hostile for Sorts {
    fn misbehave() -> Result<(), Error> {
        let numbers = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)";
        for query in [
            "SELECT n, zeroblob(50000) FROM r ORDER BY -n LIMIT 1 OFFSET 100000000",
            "SELECT count(*) FROM (SELECT DISTINCT n || hex(zeroblob(20000)) FROM r)",
            "SELECT n % 1000000007, max(hex(zeroblob(1000))) FROM r GROUP BY 1 LIMIT 1",
        ] {
            let query = statement(format!("{numbers} {query}"));
            stopped("a large sort", sql::query(&query), &[Error::TooLarge]);
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Sorts);
