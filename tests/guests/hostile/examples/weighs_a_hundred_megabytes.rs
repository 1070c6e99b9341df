//! A correct driver, to which its test adds 100 MB of meaningless data.

#[derive(Default)]
struct Heavy;

impl image_cache_guest_hostile::Hostile for Heavy {}

image_cache_guest_hostile::hostile!(Heavy);
