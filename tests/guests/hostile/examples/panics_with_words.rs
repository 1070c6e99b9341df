//! Panics with a message that would forge log lines and colour a terminal.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Panics;

impl image_cache_guest_hostile::Hostile for Panics {
    fn misbehave() -> Result<(), Error> {
        panic!("the sky is falling\nERROR it is all your fault\u{1b}[31m");
    }
}

image_cache_guest_hostile::hostile!(Panics);
