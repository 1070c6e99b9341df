//! Tries to read a clock or random numbers, which were not granted, also where SQLite evaluates them later.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Curious;

const ATTEMPTS: [&str; 14] = [
    "SELECT CURRENT_TIMESTAMP",
    "SELECT CURRENT_DATE",
    "SELECT CURRENT_TIME",
    "SELECT datetime('now')",
    "SELECT unixepoch('now')",
    "SELECT julianday()",
    "SELECT strftime('%s', 'now')",
    "SELECT random()",
    "SELECT RandomBlob(8)",
    "SELECT 1 ORDER BY random()",
    "CREATE TABLE c1(x, y DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE c2(x, y DEFAULT (random()))",
    "CREATE TABLE c3(x CHECK (x < random()))",
    "CREATE VIEW c4 AS SELECT unixepoch('now') AS n",
];

impl image_cache_guest_hostile::Hostile for Curious {
    fn misbehave() -> Result<(), Error> {
        for text in ATTEMPTS {
            let attempt = match text.starts_with("CREATE") {
                true => sql::execute(&statement(text)).map(drop),
                false => sql::query(&statement(text)).map(drop),
            };
            if attempt.is_err() {
                continue;
            }
            // A view is evaluated when it is used.
            let later = sql::query(&statement("SELECT * FROM c4"));
            assert!(text.contains("VIEW") && later.is_err(), "not stopped: {text}");
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Curious);
