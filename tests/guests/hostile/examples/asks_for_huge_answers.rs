//! Requests more rows, bytes and files from the host than one result may have.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Asks;

impl image_cache_guest_hostile::Hostile for Asks {
    fn misbehave() -> Result<(), Error> {
        let large = &[Error::TooLarge];
        let numbers = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 20000)";
        stopped("many rows", sql::query(&statement(format!("{numbers} SELECT n FROM r"))), large);
        let wide = format!("{numbers} SELECT zeroblob(60000) FROM r");
        stopped("many bytes", sql::query(&statement(wide)), large);
        let columns = format!("SELECT {}1", "1,".repeat(1000));
        if sql::query(&statement(columns)).is_ok() {
            panic!("not stopped: many columns");
        }
        let page = files::list_cached()?.next(u32::MAX)?;
        assert!(page.len() <= 10_000, "not stopped: {} files at once", page.len());
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Asks);
