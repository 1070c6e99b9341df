//! A correct driver, to which its test adds many instances without a function.

#[derive(Default)]
struct Many;

impl image_cache_guest_hostile::Hostile for Many {}

image_cache_guest_hostile::hostile!(Many);
