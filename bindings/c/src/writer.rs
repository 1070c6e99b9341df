//! Writers: a program pushes the bytes of an image.

use crate::boundary::{small_number, status};
use crate::cache::{Cache, with_new_image};
use crate::error::ErrorCode;
use crate::failure::{Failure, Result};
use crate::handle::{Handle, Place, Poison, close, with};
use crate::handle_table::Kind;
use crate::outcome::outcome_code;
use image_cache::ImageWriter;
use std::ffi::{c_char, c_int, c_void};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// A writer of one image. One call at a time: a second one gets IMGCACHE_ERROR_BUSY.
pub struct Writer {
    state: Mutex<WriterState>,
    poison: Poison,
}

struct WriterState {
    id: String,
    /// `None` after it was finished.
    image: Option<ImageWriter>,
    /// The failure after which all calls fail.
    failed: Option<Failure>,
}

impl Handle for Writer {
    const KIND: Kind = Kind::Writer;

    fn poison(&self) -> &Poison {
        &self.poison
    }
}

impl Writer {
    fn state(&self) -> Result<MutexGuard<'_, WriterState>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            // The handle is poisoned as well, which is checked before.
            Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(ErrorCode::Busy, "another call uses this writer"))
            }
        }
    }
}

impl WriterState {
    fn image(&mut self) -> Result<&mut ImageWriter> {
        if let Some(failed) = &self.failed {
            let text = format!("the writer has already failed: {}", failed.text);
            return Err(Failure { text, ..failed.clone() });
        }
        let ended = || Failure::argument("the writer is finished");
        self.image.as_mut().ok_or_else(ended)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.image()?.write_all(bytes);
        written.map_err(|error| {
            let failure = Failure::of_reader(&self.id, &error, false);
            self.failed = Some(failure.clone());
            failure
        })
    }

    fn finish(&mut self) -> Result<c_int> {
        self.image()?;
        let ended = || Failure::argument("the writer is finished");
        let outcome = self.image.take().ok_or_else(ended)?.finish()?;
        Ok(outcome_code(&outcome) as c_int)
    }
}

/// Begins an image whose bytes the program pushes with imgcache_write(). Readers may follow it at once. It is cached by
/// imgcache_finish(); imgcache_abort() undoes it. The arguments are those of imgcache_get_or_fetch(). If the image cannot be cached
/// (it is cached already, another writer is writing it, the driver refuses it), the writer still counts and verifies the bytes, and
/// imgcache_finish() returns that outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_begin(
    cache: *mut Cache,
    id: *const c_char,
    expected_size: i64,
    expected_digests: *const c_char,
    writer: *mut *mut Writer,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe {
        let place = Place::new(writer)?;
        let state = with_new_image(cache, id, (expected_size, expected_digests), |new| {
            let id = new.image.id;
            let image = Some(new.cache.begin(&id, new.expected)?);
            Ok(WriterState { id, image, failed: None })
        })?;
        place.give(Writer { state: Mutex::new(state), poison: Poison::default() })
    })
}

/// Writes the next bytes, all of them. After a failure, imgcache_finish() fails as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_write(
    writer: *mut Writer,
    buffer: *const c_void,
    length: usize,
) -> c_int {
    let write = |writer: &Writer| {
        let mut state = writer.state()?;
        if length == 0 {
            return state.image().map(drop);
        }
        if buffer.is_null() {
            return Err(Failure::argument(format!("buffer is NULL, but length is {length}")));
        }
        if isize::try_from(length).is_err() {
            return Err(Failure::argument(format!("length is {length}, more than memory")));
        }
        // SAFETY: the header requires that `length` bytes can be read there, and nobody changes them during the call.
        state.write(unsafe { std::slice::from_raw_parts(buffer.cast(), length) })
    };
    status(|| with(writer, write))
}

/// Verifies and caches the image, returns an imgcache_outcome, closes the writer, and sets the handle to NULL, also after a failure
/// (except IMGCACHE_ERROR_BUSY, and if it is not the handle of an open writer). So a second call fails, because the handle is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_finish(writer: *mut *mut Writer) -> c_int {
    // SAFETY: the header states the rules.
    small_number(|| unsafe {
        let handle = if writer.is_null() { std::ptr::null() } else { (*writer).cast_const() };
        let finished = with(handle, |writer: &Writer| writer.state()?.finish());
        if !matches!(&finished, Err(failure) if failure.code == ErrorCode::Busy) {
            // What is not an open writer stays as it is.
            let _ = close(writer);
        }
        finished
    })
}

/// Undoes the image, closes the writer, and sets the handle to NULL; does nothing if it is NULL, so it may follow
/// imgcache_finish(), and aborting twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_abort(writer: *mut *mut Writer) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe { close(writer) })
}
