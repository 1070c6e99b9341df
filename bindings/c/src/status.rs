//! The state of a cache, and its driver.

use crate::boundary::{number, status};
use crate::cache::{Cache, with_cache};
use crate::failure::Failure;
use crate::text::copy;
use image_cache::ImageCache;
use std::ffi::{c_char, c_int};

/// The state of a cache, and its counters since it was opened.
#[repr(C)]
#[derive(Debug)]
pub struct Status {
    /// Cached images.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// image_cache_max_size, in bytes.
    pub max_size: u64,
    /// Images in the queue.
    pub queued: u64,
    /// Files of running and interrupted fetches.
    pub incomplete: u64,
    /// Files of failed fetches, and damaged images.
    pub invalid: u64,
    /// Reads of cached images and of running fetches to their end.
    pub hits: u64,
    /// Reads from sources.
    pub misses: u64,
    /// Bytes that were read from sources.
    pub bytes_fetched: u64,
    /// Evicted images.
    pub evictions: u64,
    /// Images that were found damaged.
    pub corrupt_images: u64,
    /// Fetches that could not fill the cache because the cache failed.
    pub cache_failures: u64,
    /// Whether the built-in sqlite driver replaces the configured one; imgcache_driver() has the reason.
    pub is_fallback: bool,
}

/// The state of the cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_get_status(cache: *mut Cache, status_out: *mut Status) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        if status_out.is_null() {
            return Err(Failure::argument("the place for the status is NULL"));
        }
        let state = with_cache(cache, |cache| {
            let (status, counters) = (cache.status()?, cache.counters());
            Ok(Status {
                images: status.cached.images,
                bytes: status.cached.bytes,
                max_size: status.max_size,
                queued: status.queued,
                incomplete: status.incomplete,
                invalid: status.invalid,
                hits: counters.hits,
                misses: counters.misses,
                bytes_fetched: counters.bytes_fetched,
                evictions: counters.evictions,
                corrupt_images: counters.corrupt_images,
                cache_failures: status.cache_failures,
                is_fallback: status.driver.fallback.is_some(),
            })
        })?;
        status_out.write(state);
        Ok(())
    })
}

/// Writes the driver in use with its version, and the reason if it replaces the configured one, to the buffer, like snprintf():
/// it cuts the text to the buffer, ends it with NUL, and returns the length of the whole text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_driver(
    cache: *mut Cache,
    buffer: *mut c_char,
    length: usize,
) -> i64 {
    // SAFETY: the header states the rules.
    number(|| unsafe {
        with_cache(cache, |cache| {
            if buffer.is_null() && length > 0 {
                return Err(Failure::argument(format!("buffer is NULL, but length is {length}")));
            }
            Ok(copy(&driver(cache), buffer, length))
        })
    })
}

fn driver(cache: &ImageCache) -> String {
    let driver = cache.driver();
    let (name, version) = (driver.name, driver.version);
    match driver.fallback {
        Some(it) => format!("{name} {version}, instead of {}: {}", it.configured, it.reason),
        None => format!("{name} {version}"),
    }
}
