//! The packages that are published.

/// Their names, each after those that it depends on: the order in which they are published.
pub const PUBLISHED: [&str; 8] = [
    "image-cache-guest-toolchain",
    "image-cache-driver-sdk",
    "image-cache-model",
    "image-cache-store",
    "image-cache-engine",
    "image-cache",
    "image-cache-serve",
    "image-cache-simulate",
];
