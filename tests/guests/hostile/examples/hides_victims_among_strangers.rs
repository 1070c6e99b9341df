//! Names one cached image after thousands that are not cached, so that every round of a prune makes a little progress.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::victim;

#[derive(Default)]
struct Hides {
    named: u64,
}

impl image_cache_guest_hostile::Hostile for Hides {
    fn victims(&mut self, mut victims: Vec<Victim>, request: &Eviction) -> Vec<Victim> {
        victims.truncate(1);
        let from = self.named;
        self.named += u64::from(request.limit.saturating_sub(1));
        let orphans = (from..self.named).map(|n| victim(format!("nobody-{n}")));
        orphans.chain(victims).collect()
    }
}

image_cache_guest_hostile::hostile!(Hides);
