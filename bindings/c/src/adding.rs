//! Adding whole images.

use crate::boundary::small_number;
use crate::cache::{Cache, with_new_image};
use crate::error::ErrorCode;
use crate::failure::{Failure, Result};
use crate::outcome::outcome_code;
use crate::source::{OwnedSource, Source};
use std::ffi::{c_char, c_int};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

/// Reads a source into the cache, and returns an imgcache_outcome. If the image will not be cached, the source is not read.
/// The arguments are those of imgcache_get_or_fetch().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_add(
    cache: *mut Cache,
    id: *const c_char,
    expected_size: i64,
    expected_digests: *const c_char,
    source: Source,
) -> c_int {
    // SAFETY: the header states the rules.
    small_number(|| unsafe {
        let source = OwnedSource::new(source);
        with_new_image(cache, id, (expected_size, expected_digests), |new| {
            let source = source.of_image(new.image.clone())?;
            let outcome = new.cache.cache_image(&new.image.id, source, new.expected)?;
            Ok(outcome_code(&outcome) as c_int)
        })
    })
}

/// Reads an open file from its current offset to its end into the cache, and returns an imgcache_outcome. The file stays open; its
/// offset moves. If expected_size is below 0, the rest of a regular file is expected. A block device, a pipe and a stream socket are
/// accepted as well. Anything else, a file that was not opened for reading, and a pipe or socket with O_NONBLOCK are
/// IMGCACHE_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_add_fd(
    cache: *mut Cache,
    id: *const c_char,
    expected_size: i64,
    expected_digests: *const c_char,
    fd: c_int,
) -> c_int {
    // SAFETY: the header states the rules.
    small_number(|| unsafe {
        with_new_image(cache, id, (expected_size, expected_digests), |new| {
            let file = duplicate(fd)?;
            let outcome = new.cache.cache_image_file(&new.image.id, file, new.expected)?;
            Ok(outcome_code(&outcome) as c_int)
        })
    })
}

/// The same open file, with a descriptor of its own.
fn duplicate(fd: c_int) -> Result<File> {
    let failed = |error: io::Error| {
        let failure = Failure::new(ErrorCode::InvalidArgument, format!("fd {fd}: {error}"));
        Failure { errno: error.raw_os_error().unwrap_or(0), ..failure }
    };
    if fd < 0 {
        return Err(Failure::argument(format!("fd {fd} is not open")));
    }
    // SAFETY: it is borrowed only for this call, which fails if it is not open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(File::from(fd.try_clone_to_owned().map_err(failed)?))
}
