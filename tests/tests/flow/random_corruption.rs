//! A sample of the random damage that `cargo xtask torture corruption` tests in full, with each driver.

use image_cache_tests::corruption::corrupt;
use image_cache_tests::{TempCache, Tested, with_both_drivers};
use std::time::UNIX_EPOCH;

with_both_drivers![no_damaged_byte_is_served];

/// The number of damaged images.
const ROUNDS: u64 = 1_000;

/// The variable with the seed of a run to repeat.
const SEED: &str = "ROT_SEED";

fn no_damaged_byte_is_served(temp: &TempCache) -> Tested {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse()?,
        Err(_) => UNIX_EPOCH.elapsed()?.subsec_nanos().into(),
    };
    println!("{SEED}={seed}");
    let damages = corrupt(&TempCache::in_memory(temp.driver()), ROUNDS, seed)?;
    println!("{damages}");
    assert_eq!(damages.all(), ROUNDS);
    Ok(())
}
