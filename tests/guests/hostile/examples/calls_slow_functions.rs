//! Calls SQL functions with quadratic time, which the host cannot interrupt.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Slow;

impl image_cache_guest_hostile::Hostile for Slow {
    fn misbehave() -> Result<(), Error> {
        let long = "hex(zeroblob(32000))";
        for denied in
            ["json_patch('{}', '{}')", "trim('xa', 'x')", "rtrim('ax', 'x')", "unhex('zz', 'z')"]
        {
            let answer = sql::query(&statement(format!("SELECT {denied}")));
            assert!(answer.is_err(), "not stopped: {denied}, which takes a second for long values");
        }
        let slow = statement(format!("SELECT instr({long}, substr({long}, 2, 32000) || 'x')"));
        loop {
            let _ = sql::query(&slow);
        }
    }
}

image_cache_guest_hostile::hostile!(Slow);
