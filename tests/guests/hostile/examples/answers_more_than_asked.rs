//! Returns a few more records and victims than requested.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{invented, victim};

#[derive(Default)]
struct Overdoes;

impl image_cache_guest_hostile::Hostile for Overdoes {
    fn page(
        &mut self,
        _page: Vec<CachedImage>,
        _after: Option<&str>,
        limit: u32,
    ) -> Vec<CachedImage> {
        (0..=limit).map(|n| invented(format!("{n:09}"))).collect()
    }

    fn victims(&mut self, _victims: Vec<Victim>, request: &Eviction) -> Vec<Victim> {
        (0..=request.limit).map(|n| victim(format!("{n:09}"))).collect()
    }
}

image_cache_guest_hostile::hostile!(Overdoes);
