//! Passes texts, values and lists to the host that are too large: some are refused, and the largest end the call.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Passes;

impl image_cache_guest_hostile::Hostile for Passes {
    fn misbehave() -> Result<(), Error> {
        let large = &[Error::TooLarge];
        stopped("a long statement", sql::query(&statement("-".repeat(1 << 20))), large);
        let blob = Value::Blob(vec![0; 8 << 20]);
        let blob = Statement { sql: "SELECT ?".into(), parameters: vec![blob] };
        stopped("a long value", sql::query(&blob), large);
        let many = Statement { sql: "SELECT 1".into(), parameters: vec![Value::Null; 100_000] };
        stopped("many values", sql::query(&many), large);
        stopped("many statements", sql::execute_all(&vec![statement(""); 30_000]), large);
        log(Level::Info, &"word ".repeat(3 << 20));
        let most = Statement { sql: "SELECT 1".into(), parameters: vec![Value::Null; 700_000] };
        let _ = sql::query(&most);
        panic!("not stopped: 700,000 values");
    }
}

image_cache_guest_hostile::hostile!(Passes);
