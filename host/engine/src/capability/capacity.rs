//! The capability `capacity`: how much the cache may hold, and how much it holds.

use crate::bindings::image_cache::driver::capacity as wit;
use image_cache_model::{CacheSize, Config};

/// The maximum size of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    bytes: u64,
    images: Option<u64>,
}

impl CacheLimits {
    pub fn of(config: &Config) -> CacheLimits {
        CacheLimits { bytes: config.max_size, images: config.max_images }
    }
}

/// What a driver is told about the size of its cache.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    limits: CacheLimits,
    /// What the cache holds, during a call for which it was counted.
    pub usage: Option<CacheSize>,
}

impl Capacity {
    pub fn new(limits: CacheLimits) -> Capacity {
        Capacity { limits, usage: None }
    }

    pub fn limits_for_guest(&self) -> wit::Limits {
        wit::Limits { bytes: self.limits.bytes, images: self.limits.images }
    }

    pub fn usage_for_guest(&self) -> Option<wit::Usage> {
        self.usage.map(|CacheSize { images, bytes }| wit::Usage { images, bytes })
    }
}
