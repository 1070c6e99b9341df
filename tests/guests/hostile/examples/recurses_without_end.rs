//! Recurses until the stack is full.

use image_cache_driver_sdk::prelude::*;
use std::hint::black_box;

#[derive(Default)]
struct Recurses;

#[allow(
    unconditional_recursion,
    clippy::only_used_in_recursion,
    reason = "it fills the stack intentionally"
)]
fn recurse(depth: u64) -> u64 {
    // Two calls, which a compiler cannot turn into a loop, and no data in the guest's memory.
    recurse(depth + 1) ^ recurse(depth + 2).rotate_left(7)
}

impl image_cache_guest_hostile::Hostile for Recurses {
    fn misbehave() -> Result<(), Error> {
        black_box(recurse(1));
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Recurses);
