//! Answers text that is none.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Mumbles;

impl image_cache_guest_hostile::Hostile for Mumbles {
    fn strike() -> Result<(), Error> {
        // SAFETY: it is no UTF-8, on purpose; nothing in here looks at it on its way out.
        Err(Error::Other(unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe, 0xc0]) }))
    }
}

image_cache_guest_hostile::hostile!(Mumbles);
