//! A driver like any other, until its test adds 100 MB to it that mean nothing.

#[derive(Default)]
struct Heavy;

impl image_cache_guest_hostile::Hostile for Heavy {}

image_cache_guest_hostile::hostile!(Heavy);
