//! The writer: pushes the bytes of a source into the cache.

use crate::errors::{ended, exception, gone, io_exception};
use crate::interpreter::without_lock;
use crate::owned::{Gone, Owned};
use crate::records::{self, OutcomeParts};
use image_cache::{ImageWriter, Outcome, SourceRead};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// How a writer ended, in the order of the constants.
const ENDS: [&str; 3] = ["is finished", "was aborted", "has failed"];
const FINISHED: u8 = 0;
const ABORTED: u8 = 1;
const FAILED: u8 = 2;

/// Caches one image from pushed bytes. A drop before `finish` undoes it.
#[pyclass(frozen, module = "image_cache._native")]
pub struct Writer {
    writer: Owned<ImageWriter>,
    image_id: String,
    bypass: Option<OutcomeParts>,
    end: AtomicU8,
    /// While a thread reads its source. It is only locked by threads that have Python's lock, for some instructions.
    reading: Mutex<Option<SourceRead>>,
}

impl Writer {
    pub fn new(image_id: &str, writer: ImageWriter) -> Writer {
        let bypass = writer.bypass_reason().map(records::outcome);
        let (image_id, end) = (image_id.to_owned(), AtomicU8::new(FINISHED));
        let (writer, reading) = (Owned::new(writer), Mutex::new(None));
        Writer { writer, image_id, bypass, end, reading }
    }

    fn gone(&self, py: Python<'_>, why: Gone) -> PyErr {
        match why {
            Gone::Closed => {
                let end = usize::from(self.end.load(Ordering::Acquire));
                ended(py, &self.image_id, ENDS.get(end).copied().unwrap_or("has ended"))
            }
            Gone::Forked => gone(py, &format!("the writer of image {}", self.image_id), why),
        }
    }

    fn set_reading(&self, reading: Option<SourceRead>) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// Takes the writer, for this end.
    fn take(&self, end: u8) -> Result<ImageWriter, Gone> {
        let writer = self.writer.take()?;
        self.end.store(end, Ordering::Release);
        Ok(writer)
    }
}

#[pymethods]
impl Writer {
    /// Why it does not cache the image, if that was certain at the beginning.
    #[getter]
    fn bypass(&self) -> Option<OutcomeParts> {
        self.bypass.clone()
    }

    /// This thread reads the source from now on, until `end_source_read`, or until a call adds the bytes or ends the writer. A read of
    /// the image by its own source is then an error at once.
    fn begin_source_read(&self) {
        // The old one ends first, because it restores what was before it.
        self.set_reading(None);
        self.set_reading(self.writer.try_with(|writer| writer.reading_source()));
    }

    /// The source is no longer being read.
    fn end_source_read(&self) {
        self.set_reading(None);
    }

    /// Adds the next bytes; returns their number.
    fn write(&self, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.set_reading(None);
        let buffer: PyBuffer<u8> = PyBuffer::get(bytes)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("a contiguous buffer is needed"));
        }
        let bytes = readable(&buffer);
        let written = without_lock(py, || -> Result<io::Result<()>, Gone> {
            let written = self.writer.with(|writer| writer.write_all(bytes))?;
            // The image has more bytes than expected: the writer has undone it.
            if written.is_err() {
                drop(self.take(FAILED));
            }
            Ok(written)
        });
        match written {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(error)) => Err(io_exception(py, &self.image_id, &error)),
            Err(why) => Err(self.gone(py, why)),
        }
    }

    /// The end of the image: verifies and publishes it.
    fn finish(&self, py: Python<'_>) -> PyResult<OutcomeParts> {
        self.set_reading(None);
        let finished = without_lock(py, || -> Result<image_cache::Result<Outcome>, Gone> {
            let finished = self.take(FINISHED)?.finish();
            if finished.is_err() {
                self.end.store(FAILED, Ordering::Release);
            }
            Ok(finished)
        });
        match finished {
            Ok(Ok(outcome)) => Ok(records::outcome(&outcome)),
            Ok(Err(error)) => Err(exception(py, &error)),
            Err(why) => Err(self.gone(py, why)),
        }
    }

    /// Undoes it. Does nothing after the end.
    fn abort(&self, py: Python<'_>) {
        self.set_reading(None);
        without_lock(py, || {
            if let Ok(writer) = self.take(ABORTED) {
                writer.abort();
            }
        });
    }
}

fn readable(buffer: &PyBuffer<u8>) -> &[u8] {
    if buffer.len_bytes() == 0 {
        // The pointer of an empty buffer may be null.
        return &[];
    }
    // SAFETY: the buffer is contiguous, has this length, and stays in place while the caller holds it. If another thread changes it
    // meanwhile, the writer still copies each byte once, and hashes and writes that copy.
    unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes()) }
}
