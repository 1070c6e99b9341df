//! Readers: what C does with them, and those of cached images.

use crate::boundary::{number, signed, small_number, status};
use crate::cache::{Cache, with_image};
use crate::error::ErrorCode;
use crate::failure::{Failure, Result};
use crate::handle::{Handle, Place, Poison, close, with};
use crate::handle_table::Kind;
use crate::outcome::{OutcomeCode, outcome_code};
use crate::source::ssize_t;
use image_cache::{CachedReader, FetchReader, ImageCache};
use std::ffi::{c_char, c_int, c_void};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Most bytes that one call reads.
const MAX_READ: usize = 1 << 30;

/// A reader of one image. One call at a time: a second one gets IMGCACHE_ERROR_BUSY.
pub struct Reader {
    state: Mutex<ReaderState>,
    poison: Poison,
}

struct ReaderState {
    id: String,
    stream: Stream,
    /// Whether a part of the stream comes from a source.
    has_source: bool,
    /// The failure after which all calls fail.
    failed: Option<Failure>,
}

enum Stream {
    Cached(Box<CachedReader>),
    /// A range of an image that may be being fetched; the size of the image limits it.
    Fetch(Box<FetchReader>, Range<u64>),
}

impl Handle for Reader {
    const KIND: Kind = Kind::Reader;

    fn poison(&self) -> &Poison {
        &self.poison
    }
}

impl Reader {
    /// A reader of a cached image, a running fetch or a source.
    pub(crate) fn of_fetch(id: &str, reader: FetchReader, range: Range<u64>) -> Reader {
        Reader::new(id, Stream::Fetch(Box::new(reader), range), true)
    }

    fn new(id: &str, stream: Stream, has_source: bool) -> Reader {
        let state = ReaderState { id: id.to_owned(), stream, has_source, failed: None };
        Reader { state: Mutex::new(state), poison: Poison::default() }
    }

    fn state(&self) -> Result<MutexGuard<'_, ReaderState>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            // The handle is poisoned as well, which is checked before.
            Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                ErrorCode::Busy,
                "another call uses this reader: a thread needs its own reader, and a source must not read from the reader that it \
                 supplies",
            )),
        }
    }
}

impl ReaderState {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.check()?;
        let read = match &mut self.stream {
            Stream::Cached(reader) => reader.read(buffer),
            Stream::Fetch(reader, _) => reader.read(buffer),
        };
        read.map_err(|error| {
            let failure = Failure::of_reader(&self.id, &error, self.has_source);
            if failure.code != ErrorCode::Again {
                self.failed = Some(failure.clone());
            }
            failure
        })
    }

    /// Fails as before, if it has failed.
    fn check(&self) -> Result<()> {
        let Some(failed) = &self.failed else { return Ok(()) };
        let text = format!("the reader has already failed: {}", failed.text);
        Err(Failure { text, ..failed.clone() })
    }

    fn size(&self) -> Result<u64> {
        let size = match &self.stream {
            Stream::Cached(reader) => Some(reader.size()),
            Stream::Fetch(reader, range) => {
                reader.image_size().map(|size| range.end.min(size).saturating_sub(range.start))
            }
        };
        size.ok_or_else(|| {
            let text = format!("the size of image {} is not known before its end", self.id);
            Failure::new(ErrorCode::SizeUnknown, text)
        })
    }

    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.check()?;
        let Stream::Cached(reader) = &mut self.stream else {
            return Err(Failure::argument(
                "only a reader of imgcache_open_cached or imgcache_open_range can seek",
            ));
        };
        reader.seek(to).map_err(|error| Failure::argument(error.to_string()))
    }

    fn outcome(&self) -> OutcomeCode {
        match &self.stream {
            Stream::Cached(_) => OutcomeCode::AlreadyCached,
            Stream::Fetch(reader, _) => reader.outcome().map_or(OutcomeCode::Pending, outcome_code),
        }
    }
}

/// Opens a cached image. IMGCACHE_ERROR_NOT_CACHED if it is not cached. A read to the end counts one hit. The image is not evicted
/// while it is open; after a deletion it can still be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_open_cached(
    cache: *mut Cache,
    id: *const c_char,
    reader: *mut *mut Reader,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe { open(cache, id, 0..u64::MAX, reader) })
}

/// Opens a range of a cached image, from this offset and with at most this length; the size of the image limits both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_open_range(
    cache: *mut Cache,
    id: *const c_char,
    offset: u64,
    length: u64,
    reader: *mut *mut Reader,
) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe { open(cache, id, offset..offset.saturating_add(length), reader) })
}

/// Opens a range of a cached image. No exported function calls another one: with two copies of this library in a process, the call
/// would be that of the other copy.
///
/// # Safety
/// As for [`with_image`] and [`Place::new`].
unsafe fn open(
    cache: *const Cache,
    id: *const c_char,
    range: Range<u64>,
    reader: *mut *mut Reader,
) -> Result<()> {
    // SAFETY: as the caller states.
    let place = unsafe { Place::new(reader) }?;
    let open = |cache: &ImageCache, id: &str| {
        let opened = cache.open_range(id, range)?;
        let reader = opened.ok_or_else(|| Failure::not_cached(id))?;
        Ok(Reader::new(id, Stream::Cached(Box::new(reader)), false))
    };
    // SAFETY: as the caller states.
    place.give(unsafe { with_image(cache, id, open) }?)
}

/// Reads the next bytes into the buffer, at most length, and returns their number; 0 at the end, or if length is 0. Fewer bytes
/// than length are not the end. After a failure, except IMGCACHE_ERROR_AGAIN, all further reads fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_read(
    reader: *mut Reader,
    buffer: *mut c_void,
    length: usize,
) -> ssize_t {
    let read = |reader: &Reader| {
        let mut state = reader.state()?;
        if length == 0 {
            return state.check().map(|()| 0);
        }
        if buffer.is_null() {
            return Err(Failure::argument(format!("buffer is NULL, but length is {length}")));
        }
        // SAFETY: the header requires that `length` bytes can be written there, and nobody else uses them during the call.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length.min(MAX_READ)) };
        Ok(signed(state.read(buffer)? as u64))
    };
    // The number is at most MAX_READ.
    number(|| with(reader, read)) as ssize_t
}

/// Moves a reader of imgcache_open_cached() or imgcache_open_range() like lseek(2), and returns the new offset. whence is SEEK_SET,
/// SEEK_CUR or SEEK_END.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_seek(reader: *mut Reader, offset: i64, whence: c_int) -> i64 {
    let seek = |reader: &Reader| {
        let to = match (whence, u64::try_from(offset)) {
            (0, Ok(offset)) => SeekFrom::Start(offset),
            (0, Err(_)) => return Err(Failure::argument(format!("cannot seek to {offset}"))),
            (1, _) => SeekFrom::Current(offset),
            (2, _) => SeekFrom::End(offset),
            _ => {
                return Err(Failure::argument(format!(
                    "whence is {whence}: 0, 1 or 2 is accepted"
                )));
            }
        };
        Ok(signed(reader.state()?.seek(to)?))
    };
    number(|| with(reader, seek))
}

/// The number of bytes of the reader: of its image, or of its range. IMGCACHE_ERROR_SIZE_UNKNOWN if it is not known before the end.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_size(reader: *mut Reader) -> i64 {
    number(|| with(reader, |reader: &Reader| Ok(signed(reader.state()?.size()?))))
}

/// The outcome for the image after the end: an imgcache_outcome. If it is not IMGCACHE_OUTCOME_CACHED, imgcache_message() has the
/// reason.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_outcome_of(reader: *mut Reader) -> c_int {
    small_number(|| with(reader, |reader: &Reader| Ok(reader.state()?.outcome() as c_int)))
}

/// Closes a reader and sets the handle to NULL; does nothing if it is NULL, so closing twice is harmless. If the image was not read
/// to its end, the read counts no hit. A fetch continues only if other readers need it (or if image_cache_fetch_to_end is set).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_reader_close(reader: *mut *mut Reader) -> c_int {
    // SAFETY: the header states the rules.
    status(|| unsafe { close(reader) })
}
