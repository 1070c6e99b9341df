//! Logs a hundred thousand messages, and a very long one.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Chatters;

impl image_cache_guest_hostile::Hostile for Chatters {
    fn misbehave() -> Result<(), Error> {
        log(Level::Warn, &"long ".repeat(100_000));
        log(Level::Warn, &"\u{7}\u{202e}\u{2028}".repeat(2_000));
        for n in 0..100_000 {
            log(Level::Warn, &format!("for the {n}th time\nERROR forged\u{1b}[31m"));
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Chatters);
