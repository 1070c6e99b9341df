//! Maintenance: the library does none by itself.

use crate::boundary::status;
use crate::cache::{Cache, with_cache, with_image};
use crate::failure::Failure;
use std::ffi::{c_char, c_int};
use std::time::Duration;

/// What a prune evicted.
#[repr(C)]
#[derive(Debug)]
pub struct Pruned {
    /// The number of evicted images.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Images that the driver named, but that could not be evicted, for example because they are being read.
    pub kept: u64,
}

/// What a clean removed.
#[repr(C)]
#[derive(Debug)]
pub struct Cleaned {
    /// Files of interrupted fetches.
    pub incomplete: u64,
    /// Files of failed fetches, and damaged images.
    pub invalid: u64,
    /// The bytes of both.
    pub bytes: u64,
    /// Files that could not be removed.
    pub kept: u64,
}

/// Evicts images in the driver's order until the cache is within its limits. Call it periodically, and after a fetch that made
/// the cache too large. The result may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_prune(cache: *mut Cache, pruned: *mut Pruned) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let done = with_cache(cache, |cache| Ok(cache.prune()?))?;
        let kept = done.kept.len() as u64;
        write(pruned, Pruned { images: done.images, bytes: done.bytes, kept });
        Ok(())
    })
}

/// Removes leftovers of failed and interrupted fetches. Call it periodically. The result may be NULL.
///
/// stall_seconds: the age at which an interrupted fetch is removed; below 0: image_cache_stall_time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_clean(
    cache: *mut Cache,
    stall_seconds: i64,
    cleaned: *mut Cleaned,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let stall_time = u64::try_from(stall_seconds).ok().map(Duration::from_secs);
        let done = with_cache(cache, |cache| Ok(cache.clean(stall_time)?))?;
        let (incomplete, invalid, bytes) = (done.incomplete, done.invalid, done.bytes);
        write(cleaned, Cleaned { incomplete, invalid, bytes, kept: done.kept.len() as u64 });
        Ok(())
    })
}

/// Reads and verifies a whole cached image. IMGCACHE_ERROR_NOT_CACHED if it is not cached; IMGCACHE_ERROR_CORRUPT if it is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_verify(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        with_image(cache, id, |cache, id| {
            cache.verify(id)?.map(drop).ok_or_else(|| Failure::not_cached(id))
        })
    })
}

/// Writes the hits that were collected during image_cache_hit_delay. imgcache_close() of the last handle does so, too.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_flush(cache: *mut Cache) -> c_int {
    status(|| with_cache(cache, |cache| Ok(cache.flush()?)))
}

/// Detects changes that other programs made in the directory. Call it about every second if the program rarely lists or prunes.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_reconcile(cache: *mut Cache) -> c_int {
    status(|| {
        with_cache(cache, |cache| {
            cache.reconcile_external_changes();
            Ok(())
        })
    })
}

/// # Safety
/// The pointer is NULL, or a value can be written there.
unsafe fn write<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: as the caller states.
        unsafe { place.write(value) };
    }
}
