//! The times of opening and dropping a cache, and how the memory follows the limit of its driver.

use super::footprint::ready;
use super::process::{Memory, begin_peak, say, wait_until_gone};
use crate::hostile::hostile;
use crate::{Tested, bytes, fill, serve};
use image_cache::{Config, Expected, ImageCache};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A limit of a driver's memory, in MiB, and the default.
pub const SMALL: u64 = 8;
pub const DEFAULT: u64 = 64;

/// Longer than any collected hit may wait.
const HOUR: Duration = Duration::from_secs(3600);

const ROUNDS: u32 = 7;

/// Prints the shortest times of opening a cache whose driver is compiled, and of dropping it with collected hits: a machine that is
/// busy with something else prolongs some of them.
pub fn times(dir: &Path) -> Tested {
    let config = Config::builder(dir.join("timed")).hit_delay(HOUR).build()?;
    ready(config.clone())?;
    let image = bytes(1, 1 << 20);
    let (mut open, mut dropped) = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let cache = ImageCache::open(config.clone())?;
        open = open.min(begun.elapsed());
        fill(&cache, &format!("image-{round}"), &image);
        for _ in 0..10 {
            assert!(serve(&cache, "image-0")? == image);
        }
        let begun = Instant::now();
        drop(cache);
        dropped = dropped.min(begun.elapsed());
    }
    say("open-milliseconds", open.as_millis());
    say("drop-milliseconds", dropped.as_millis());
    say("hits", ImageCache::open(config)?.hit_count("image-0")?);
    Ok(())
}

/// Prints how much memory a driver gets that takes all it can, with this limit in MiB.
pub fn memory(dir: &Path, limit: u64) -> Tested {
    let scratch = TempDir::new()?;
    let mut driver = hostile("takes_all_memory", &scratch);
    let long = Duration::from_secs(60);
    driver.limits.memory = limit << 20;
    driver.limits.guest_time = long;
    driver.limits.call_time = long;
    let config = Config::builder(dir).define_driver("greedy", driver).driver("greedy").build()?;
    let cache = ImageCache::open(config)?;
    wait_until_gone("image-cache-spa")?;
    let before = begin_peak()?;
    for _ in 0..ROUNDS {
        // Its record fails, and the image may be cached by the driver that replaces it.
        let _ = cache.cache_image("a", &b"an image"[..], Expected::nothing())?;
        cache.delete_cached_image("a")?;
    }
    let peak = Memory::of_process()?.peak;
    say("driver-kib", peak.saturating_sub(before));
    let reason = cache.driver().fallback.map(|fallback| fallback.reason.to_string());
    say("replaced", reason.is_some_and(|reason| reason.contains("its limit is")));
    Ok(())
}
