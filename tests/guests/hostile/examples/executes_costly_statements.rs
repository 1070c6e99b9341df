//! Executes thousands of statements in one call to the host; each one ends before it would be interrupted.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Costly;

impl image_cache_guest_hostile::Hostile for Costly {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t (n INTEGER)"))?;
        let long = "hex(zeroblob(32000))";
        let costly = format!("INSERT INTO t SELECT instr({long}, substr({long}, 2, 32000) || 'x')");
        let statements = vec![statement(costly); 10_500];
        loop {
            stopped("10,500 costly statements", sql::execute_all(&statements), &[Error::TooLarge]);
        }
    }
}

image_cache_guest_hostile::hostile!(Costly);
