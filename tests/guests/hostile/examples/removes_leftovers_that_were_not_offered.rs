//! Names leftovers that were not offered: one by a path, and one with a live writer.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Sweeps;

impl image_cache_guest_hostile::Hostile for Sweeps {
    fn leftovers(&mut self, mut chosen: Vec<Leftover>) -> Vec<Leftover> {
        for (image_id, state) in [
            ("../../outside.db", LeftoverState::Invalid),
            ("being-written", LeftoverState::Incomplete),
        ] {
            chosen.push(Leftover { image_id: image_id.into(), state, size: 1, modified: 0 });
        }
        chosen
    }
}

image_cache_guest_hostile::hostile!(Sweeps);
