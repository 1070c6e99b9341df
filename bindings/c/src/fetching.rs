//! Readers that fetch: through the cache from a source, or from the fetch of another reader.

use crate::boundary::status;
use crate::cache::{Cache, with_image, with_new_image};
use crate::error::ErrorCode;
use crate::failure::Failure;
use crate::handle::Place;
use crate::reader::Reader;
use crate::source::{OwnedSource, Source};
use std::ffi::{c_char, c_int};

/// Opens an image through the cache: the cached image; or the running fetch of it, in this or another process; or the source, which
/// then fills the cache while it is read. If many readers open an uncached image at once, its source is read once. The reader
/// ends only after a complete, verified image; if the cache fails, it still gets the image.
///
/// expected_size: bytes of the image; below 0 if it is not known.
/// expected_digests: "md5:", "sha256:" or "sha512:" and hexadecimal digits; several are separated by commas. NULL if none is known.
/// source: closed exactly once, also if this call fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_get_or_fetch(
    cache: *mut Cache,
    id: *const c_char,
    expected_size: i64,
    expected_digests: *const c_char,
    source: Source,
    reader: *mut *mut Reader,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let source = OwnedSource::new(source);
        let place = Place::new(reader)?;
        let reader = with_new_image(cache, id, (expected_size, expected_digests), |new| {
            let source = source.of_image(new.image.clone())?;
            let id = &new.image.id;
            let reader = new.cache.get_or_fetch(id, new.expected, move || Ok(source))?;
            Ok(Reader::of_fetch(id, reader, 0..u64::MAX))
        })?;
        place.give(reader)
    })
}

/// Opens a range of an image through the cache, from this offset and with at most this length; the size of the image limits both.
/// The reader gets bytes as soon as they have arrived; the source is fetched from its beginning, also for a small range.
///
/// A range of a running fetch is not verified yet, unless it has the last byte of the image. The reader has no source of its own: if
/// the cache fails during the fetch, it returns an error. IMGCACHE_ERROR_NOT_CACHED if the image cannot be cached now, because the
/// driver refuses it, there is no room, or the cached image is not the expected one: read the range from the store itself.
///
/// The other arguments are those of imgcache_get_or_fetch().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_get_or_fetch_range(
    cache: *mut Cache,
    id: *const c_char,
    offset: u64,
    length: u64,
    expected_size: i64,
    expected_digests: *const c_char,
    source: Source,
    reader: *mut *mut Reader,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let source = OwnedSource::new(source);
        let place = Place::new(reader)?;
        let range = offset..offset.saturating_add(length);
        let reader = with_new_image(cache, id, (expected_size, expected_digests), |new| {
            let source = source.of_image(new.image.clone())?;
            let (id, fetch) = (&new.image.id, move || Ok(source));
            let reader = new.cache.get_or_fetch_range(id, range.clone(), new.expected, fetch)?;
            let reader = reader.ok_or_else(|| cannot_be_cached(id))?;
            Ok(Reader::of_fetch(id, reader, range))
        })?;
        place.give(reader)
    })
}

fn cannot_be_cached(id: &str) -> Failure {
    let text = format!("image {id} cannot be cached now: read the range from the store itself");
    Failure::new(ErrorCode::NotCached, text)
}

/// Opens an image that is cached or being fetched, without a source. IMGCACHE_ERROR_NOT_CACHED if it is neither.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_follow(
    cache: *mut Cache,
    id: *const c_char,
    reader: *mut *mut Reader,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let place = Place::new(reader)?;
        let reader = with_image(cache, id, |cache, id| {
            let reader = cache.follow(id)?.ok_or_else(|| Failure::not_cached(id))?;
            Ok(Reader::of_fetch(id, reader, 0..u64::MAX))
        })?;
        place.give(reader)
    })
}
