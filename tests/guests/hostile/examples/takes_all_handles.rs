//! Creates handles of its own exported resource, and never drops them.

use image_cache_driver_sdk::prelude::*;

#[allow(missing_docs, clippy::undocumented_unsafe_blocks, clippy::all, reason = "generated code")]
mod besides {
    wit_bindgen::generate!({
        inline: "
            package hostile:besides;
            interface things { resource thing { constructor(); } }
            world besides { export things; }
        ",
    });
    #[cfg(target_family = "wasm")]
    export!(Things);

    pub struct Things;

    impl exports::hostile::besides::things::Guest for Things {
        type Thing = Things;
    }

    impl exports::hostile::besides::things::GuestThing for Things {
        fn new() -> Self {
            Things
        }
    }
}

use besides::exports::hostile::besides::things::Thing;

#[derive(Default)]
struct Grasping;

impl image_cache_guest_hostile::Hostile for Grasping {
    fn misbehave() -> Result<(), Error> {
        loop {
            std::mem::forget(Thing::new(besides::Things));
        }
    }
}

image_cache_guest_hostile::hostile!(Grasping);
