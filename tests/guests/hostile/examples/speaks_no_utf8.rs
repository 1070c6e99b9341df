//! Returns text that is not UTF-8.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Mumbles;

impl image_cache_guest_hostile::Hostile for Mumbles {
    fn misbehave() -> Result<(), Error> {
        // SAFETY: it is intentionally not UTF-8; no code in this guest reads it.
        Err(Error::Other(unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe, 0xc0]) }))
    }
}

image_cache_guest_hostile::hostile!(Mumbles);
