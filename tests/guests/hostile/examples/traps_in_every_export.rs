//! Executes an invalid instruction.

use image_cache_driver_sdk::prelude::*;

#[derive(Default)]
struct Traps;

impl image_cache_guest_hostile::Hostile for Traps {
    fn misbehave() -> Result<(), Error> {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
        #[cfg(not(target_arch = "wasm32"))]
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Traps);
