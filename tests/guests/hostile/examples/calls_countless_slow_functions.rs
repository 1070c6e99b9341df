//! Calls slow SQL functions many times within one row, where SQLite does not check the deadline; then the permitted number of
//! times in each of many rows.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Slow;

impl image_cache_guest_hostile::Hostile for Slow {
    fn misbehave() -> Result<(), Error> {
        let (long, rows) = (
            "hex(zeroblob(32000))",
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)",
        );
        let sum = |function: &str, times: usize| vec![function; times].join(" + ");
        let one = "instr(v, w)";
        let countless = |function: &str| vec![sum(function, 50); 90].join(", ");
        for slow in [sum(one, 5), countless(one), countless("length(v)")] {
            let values = format!("(SELECT {long} AS v, substr({long}, 2, 32000) || 'x' AS w)");
            let query = sql::query(&statement(format!("SELECT {slow} FROM {values}")));
            stopped("countless functions in one row", query, &[Error::TooLarge]);
        }
        let few = sum(&format!("instr({long}, substr({long}, 2, 32000) || n)"), 4);
        loop {
            let query = sql::query(&statement(format!("{rows} SELECT sum({few}) FROM r")));
            stopped("slow functions in countless rows", query, &[Error::TooLarge]);
        }
    }
}

image_cache_guest_hostile::hostile!(Slow);
