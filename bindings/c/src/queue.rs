//! The queue of images to fetch.

use crate::boundary::{number, switch};
use crate::cache::{Cache, with_cache, with_image};
use crate::failure::Failure;
use crate::last_error::c_string;
use std::ffi::{c_char, c_int, c_void};

/// Gets one id of a list, which is valid during the call; a result other than 0 ends the list. It may call this library.
pub type VisitId = Option<unsafe extern "C" fn(context: *mut c_void, id: *const c_char) -> c_int>;

/// Adds an image to the end of the queue: 1, or 0 if it is cached, being cached or queued already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_queue(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    switch(|| unsafe { with_image(cache, id, |cache, id| Ok(cache.queue_image(id)?)) })
}

/// Removes an image from the queue: 1, or 0 if it was not queued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_dequeue(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    switch(|| unsafe { with_image(cache, id, |cache, id| Ok(cache.delete_queued_image(id)?)) })
}

/// 1 if the image is in the queue, 0 if not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_is_queued(cache: *mut Cache, id: *const c_char) -> c_int {
    // SAFETY: the header states the rules.
    switch(|| unsafe { with_image(cache, id, |cache, id| Ok(cache.is_queued(id)?)) })
}

/// Calls the function for each queued image, in their order, until it returns another number than 0; returns the number of calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_list_queue(
    cache: *mut Cache,
    visit: VisitId,
    context: *mut c_void,
) -> i64 {
    let list = |cache: &image_cache::ImageCache| {
        let visit = visit.ok_or_else(|| Failure::argument("visit is NULL"))?;
        let mut calls = 0;
        for id in cache.queued_images()? {
            calls += 1;
            let id = c_string(id.as_str());
            // SAFETY: the header requires that it can be called with this context.
            if unsafe { visit(context, id.as_ptr()) } != 0 {
                break;
            }
        }
        Ok(calls)
    };
    number(|| with_cache(cache, list))
}
