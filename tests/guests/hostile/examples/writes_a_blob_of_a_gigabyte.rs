//! Creates a value of 1 GiB with SQLite, at once and by concatenation.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Heavy;

impl image_cache_guest_hostile::Hostile for Heavy {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        let numbers =
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100000)";
        for text in [
            "INSERT INTO t VALUES (zeroblob(1073741824))".to_string(),
            "INSERT INTO t VALUES (printf('%.*c', 1073741824, 'x'))".to_string(),
            format!("INSERT INTO t {numbers} SELECT group_concat(hex(zeroblob(10000))) FROM r"),
            format!("INSERT INTO t {numbers} SELECT json_group_array(n) FROM r"),
        ] {
            stopped(&text, sql::execute(&statement(&text)), &[Error::TooLarge]);
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Heavy);
