//! Names new victims each time, none of which is cached.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::victim;

#[derive(Default)]
struct Misleads {
    named: u64,
}

impl image_cache_guest_hostile::Hostile for Misleads {
    fn victims(&mut self, _victims: Vec<Victim>, request: &Eviction) -> Vec<Victim> {
        let from = self.named;
        self.named += u64::from(request.limit);
        (from..self.named).map(|n| victim(format!("nobody-{n}"))).collect()
    }
}

image_cache_guest_hostile::hostile!(Misleads);
