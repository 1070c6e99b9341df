//! Calls SQL functions whose time grows with the square of their arguments, which nothing interrupts.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Slow;

impl image_cache_guest_hostile::Hostile for Slow {
    fn strike() -> Result<(), Error> {
        let long = "hex(zeroblob(32000))";
        let patch = sql::query(&statement("SELECT json_patch('{\"a\":1}', '{\"a\":2}')"));
        assert!(patch.is_err(), "not stopped: json_patch, which takes seconds for long values");
        let slow = statement(format!("SELECT instr({long}, substr({long}, 2, 32000) || 'x')"));
        loop {
            let _ = sql::query(&slow);
        }
    }
}

image_cache_guest_hostile::hostile!(Slow);
