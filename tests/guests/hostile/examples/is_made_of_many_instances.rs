//! A driver like any other, until its test adds instances to it that do nothing.

#[derive(Default)]
struct Many;

impl image_cache_guest_hostile::Hostile for Many {}

image_cache_guest_hostile::hostile!(Many);
