//! Compiles all packages that are published.

pub use {image_cache, image_cache_driver_sdk, image_cache_serve, image_cache_simulate};
