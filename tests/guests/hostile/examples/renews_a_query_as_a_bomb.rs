//! Prepares a small query, replaces its table with views that expand to millions of sums, and runs it again.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Renews;

const STEPS: usize = 22;

impl image_cache_guest_hostile::Hostile for Renews {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS v0(x)"))?;
        for n in 0..=STEPS {
            sql::execute(&statement(format!("DROP VIEW IF EXISTS v{}", n + 1)))?;
        }
        sql::execute(&statement(format!("CREATE VIEW v{STEPS} AS SELECT x FROM v0")))?;
        let query = statement(format!("SELECT x FROM v{STEPS}"));
        sql::query(&query)?;
        sql::execute(&statement(format!("DROP VIEW v{STEPS}")))?;
        for n in 0..STEPS {
            let twice = format!("CREATE VIEW v{} AS SELECT x + x AS x FROM v{n}", n + 1);
            sql::execute(&statement(twice))?;
        }
        stopped("four million sums", sql::query(&query), &[Error::TooLarge]);
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Renews);
