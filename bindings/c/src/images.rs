//! Queries and changes of cached images.

use crate::boundary::{number, signed, status, switch};
use crate::cache::{Cache, with_cache, with_image};
use crate::failure::{Failure, Result};
use crate::last_error::c_string;
use crate::text::{optional_text, text};
use image_cache::{CachedImage, Pin};
use std::ffi::{c_char, c_int, c_void};
use std::time::{Duration, SystemTime};

/// A cached image. The texts are valid only during the call of the function that gets it.
#[repr(C)]
#[derive(Debug)]
pub struct ImageRecord {
    /// Its id.
    pub id: *const c_char,
    /// Its bytes.
    pub size: u64,
    /// How often it was read to its end.
    pub hits: u64,
    /// The last hit, or when it was cached, in microseconds since 1970.
    pub last_accessed: i64,
    /// When it was cached, in microseconds since 1970.
    pub last_modified: i64,
    /// Its digest, for example "md5:" and 32 hexadecimal digits; NULL if it is not known.
    pub digest: *const c_char,
}

/// Gets one image of a list; a result other than 0 ends the list. It may call this library.
pub type Visit =
    Option<unsafe extern "C" fn(context: *mut c_void, image: *const ImageRecord) -> c_int>;

/// 1 if the image is cached, complete and verified; 0 if not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_is_cached(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    switch(|| unsafe { with_image(cache, id, |cache, id| Ok(cache.is_cached(id)?)) })
}

/// 1 if a live writer, in this or another process, is caching the image; 0 if not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_is_being_cached(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    switch(|| unsafe { with_image(cache, id, |cache, id| Ok(cache.is_being_cached(id)?)) })
}

/// Bytes of a cached image; IMGCACHE_ERROR_NOT_CACHED if it is not cached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_image_size(cache: *mut Cache, id: *const c_char) -> i64 {
    // SAFETY: the header states the rules.
    number(|| unsafe {
        with_image(cache, id, |cache, id| {
            let size = cache.image_size(id)?;
            size.map(signed).ok_or_else(|| Failure::not_cached(id))
        })
    })
}

/// How often the image was read to its end; 0 if it is not cached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_hit_count(cache: *mut Cache, id: *const c_char) -> i64 {
    // SAFETY: the header states the rules.
    number(|| unsafe { with_image(cache, id, |cache, id| Ok(signed(cache.hit_count(id)?))) })
}

/// Removes a cached image: 1 if it was cached, 0 if not. Its open readers can still read it to the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_delete(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    switch(|| unsafe { with_image(cache, id, |cache, id| Ok(cache.delete_cached_image(id)?)) })
}

/// Removes all cached images, and returns their number.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_delete_all(cache: *mut Cache) -> i64 {
    number(|| with_cache(cache, |cache| Ok(signed(cache.delete_all_cached_images()?))))
}

/// Calls the function for each cached image, ordered by id, until it returns another number than 0; returns the number of calls.
/// The list is that of the beginning, so the function may change the cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_list(
    cache: *mut Cache,
    visit: Visit,
    context: *mut c_void,
) -> i64 {
    let list = |cache: &image_cache::ImageCache| {
        let visit = visit.ok_or_else(|| Failure::argument("visit is NULL"))?;
        let mut calls = 0;
        for image in cache.cached_images()? {
            calls += 1;
            // SAFETY: the header requires that it can be called with this context.
            if visit_image(&image, |record| unsafe { visit(context, record) }) != 0 {
                break;
            }
        }
        Ok(calls)
    };
    number(|| with_cache(cache, list))
}

/// Passes an image on in the form for C.
fn visit_image(image: &CachedImage, visit: impl FnOnce(*const ImageRecord) -> c_int) -> c_int {
    let id = c_string(image.image_id.as_str());
    let digest = image.checksum.as_ref().map(|checksum| {
        let algorithm = checksum.algorithm().to_string().to_ascii_lowercase().replace('-', "");
        c_string(&format!("{algorithm}:{checksum}"))
    });
    visit(&ImageRecord {
        id: id.as_ptr(),
        size: image.size,
        hits: image.hits,
        last_accessed: microseconds(image.last_accessed),
        last_modified: microseconds(image.last_modified),
        digest: digest.as_ref().map_or(std::ptr::null(), |digest| digest.as_ptr()),
    })
}

fn microseconds(time: SystemTime) -> i64 {
    let signed = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => signed(since),
        Err(before) => -signed(before.duration()),
    }
}

/// Protects an image from eviction, also if it is cached later. A pin of the same name is replaced.
///
/// name: of the pin, 1 or more bytes.
/// seconds: how long the pin holds; below 0 if it has no end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_pin(
    cache: *mut Cache,
    id: *const c_char,
    name: *const c_char,
    seconds: i64,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        with_image(cache, id, |cache, id| {
            let until = pin_end(seconds)?;
            Ok(cache.pin_image(id, Pin::new(text(name, "name")?, until))?)
        })
    })
}

fn pin_end(seconds: i64) -> Result<Option<SystemTime>> {
    let Ok(seconds) = u64::try_from(seconds) else { return Ok(None) };
    let end = SystemTime::now().checked_add(Duration::from_secs(seconds));
    end.map(Some).ok_or_else(|| Failure::argument(format!("{seconds} seconds are too long")))
}

/// Removes the image's pin of this name, or with NULL all its pins, and returns the number of removed pins.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_unpin(
    cache: *mut Cache,
    id: *const c_char,
    name: *const c_char,
) -> i64 {
    // SAFETY: the header states the rules.
    number(|| unsafe {
        with_image(cache, id, |cache, id| {
            Ok(signed(cache.unpin_image(id, optional_text(name, "name")?)? as u64))
        })
    })
}
