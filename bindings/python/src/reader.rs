//! Readers: of a cached image, and of an image that another reader fetches.

use crate::errors::{gone, io_exception};
use crate::interpreter::without_lock;
use crate::owned::{Gone, Owned};
use image_cache::{CachedReader, FetchReader};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::io::{self, Read, Seek, SeekFrom};

/// The bytes of a cached image, or of a range of it, verified.
#[pyclass(frozen, module = "image_cache._native")]
pub struct Reader {
    reader: Owned<CachedReader>,
    image_id: String,
    size: u64,
    image_size: u64,
}

impl Reader {
    pub fn new(image_id: &str, reader: CachedReader) -> Reader {
        let (size, image_size) = (reader.size(), reader.image_size());
        Reader { reader: Owned::new(reader), image_id: image_id.to_owned(), size, image_size }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut CachedReader) -> io::Result<T> + Send,
    ) -> PyResult<T> {
        done(py, &self.image_id, without_lock(py, || self.reader.with(work)))
    }
}

#[pymethods]
impl Reader {
    /// Bytes of the range.
    #[getter]
    fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the whole image.
    #[getter]
    fn image_size(&self) -> u64 {
        self.image_size
    }

    /// Fills the buffer, as far as there are bytes; returns their number.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut buffer = Writable::new(buffer)?;
        let bytes = buffer.bytes();
        self.with(py, |reader| fill(reader, bytes))
    }

    /// Up to `count` bytes: fewer only at the end.
    fn read<'py>(&self, py: Python<'py>, count: u64) -> PyResult<Bound<'py, PyBytes>> {
        let left =
            self.with(py, |reader| Ok(reader.size().saturating_sub(reader.stream_position()?)))?;
        let count = usize::try_from(count.min(left)).unwrap_or(usize::MAX);
        let mut filled = 0;
        let bytes = PyBytes::new_with(py, count, |bytes| {
            filled = self.with(py, |reader| fill(reader, bytes))?;
            Ok(())
        })?;
        // Another thread may have read from it meanwhile.
        Ok(if filled == count { bytes } else { PyBytes::new(py, &bytes.as_bytes()[..filled]) })
    }

    /// Moves the position; returns it.
    fn seek(&self, py: Python<'_>, offset: i64, whence: i32) -> PyResult<u64> {
        let negative = || PyValueError::new_err(format!("a negative position: {offset}"));
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| negative())?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(PyValueError::new_err(format!("whence is 0, 1 or 2, not {whence}"))),
        };
        // A wrong position is a wrong argument, as for other files of Python.
        let moved = self.with(py, |reader| Ok(reader.seek(to)))?;
        moved.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Ends reading: the image can be evicted then.
    fn close(&self, py: Python<'_>) {
        let _ = without_lock(py, || self.reader.take().map(drop));
    }
}

/// The bytes of an image that is cached, or that another reader or process fetches.
#[pyclass(frozen, module = "image_cache._native")]
pub struct Follower {
    reader: Owned<FetchReader>,
    image_id: String,
    image_size: Option<u64>,
    is_cached: bool,
}

impl Follower {
    pub fn new(image_id: &str, reader: FetchReader) -> Follower {
        let image_size = reader.image_size();
        let is_cached = reader.route() == image_cache::Route::Cached;
        let image_id = image_id.to_owned();
        Follower { reader: Owned::new(reader), image_id, image_size, is_cached }
    }
}

#[pymethods]
impl Follower {
    /// Bytes of the whole image, if known.
    #[getter]
    fn image_size(&self) -> Option<u64> {
        self.image_size
    }

    /// Whether the image was cached when it was opened.
    #[getter]
    fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// Reads what has arrived, and waits if that is nothing; returns the number of bytes, 0 only at the end.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut buffer = Writable::new(buffer)?;
        let bytes = buffer.bytes();
        let read = without_lock(py, || self.reader.with(|reader| read_some(reader, bytes)));
        done(py, &self.image_id, read)
    }

    /// Ends reading.
    fn close(&self, py: Python<'_>) {
        let _ = without_lock(py, || self.reader.take().map(drop));
    }
}

/// A buffer of the caller that can be written to.
struct Writable {
    buffer: PyBuffer<u8>,
}

impl Writable {
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Writable> {
        let buffer = PyBuffer::get(object)?;
        if buffer.readonly() || !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("a writable, contiguous buffer is needed"));
        }
        Ok(Writable { buffer })
    }

    fn bytes(&mut self) -> &mut [u8] {
        let length = self.buffer.len_bytes();
        if length == 0 {
            // The pointer of an empty buffer may be null.
            return &mut [];
        }
        // SAFETY: the buffer is contiguous, has this length, and stays in place while `self` has it. If another thread of the
        // caller uses it meanwhile, it sees a mixture of old and new bytes, as with the files of Python, which also release
        // Python's lock while they fill a buffer.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.buf_ptr().cast(), length) }
    }
}

fn done<T>(py: Python<'_>, image_id: &str, read: Result<io::Result<T>, Gone>) -> PyResult<T> {
    let read = read.map_err(|why| gone(py, &format!("the reader of image {image_id}"), why))?;
    read.map_err(|error| io_exception(py, image_id, &error))
}

/// Fills the buffer until the end. After an error it returns the bytes before it; the next read fails again.
fn fill(reader: &mut impl Read, mut bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while !bytes.is_empty() {
        match read_some(reader, bytes) {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                bytes = &mut bytes[count..];
            }
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn read_some(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
