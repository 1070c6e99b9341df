//! The packages that are published.

use crate::layers::LAYERS;

/// What the host's packages need of the guests.
const OF_GUESTS: [&str; 2] = ["image-cache-guest-toolchain", "image-cache-driver-sdk"];

/// The command line embeds templates that cargo leaves out of a package.
const NOT_PUBLISHED: &str = "image-cache-cli";

/// Their names, each after those that it depends on: the order in which they are published.
pub fn published() -> Vec<&'static str> {
    let of_host = LAYERS.into_iter().filter(|name| *name != NOT_PUBLISHED);
    OF_GUESTS.into_iter().chain(of_host).collect()
}
