//! A source that resumes after an interruption.

use crate::error::Error;
use std::io::{self, Read};

/// Where a source must start, and why it must be opened again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Break {
    /// The offset of the next byte: the number of bytes that have arrived.
    pub offset: u64,
    /// The error that interrupted the source; `None` at the beginning.
    pub error: Option<io::Error>,
    /// Number of consecutive interruptions without a byte.
    pub attempts_without_bytes: u32,
}

impl Break {
    /// The start, at offset 0.
    pub fn none() -> Break {
        Break { offset: 0, error: None, attempts_without_bytes: 0 }
    }

    /// The error, for a source that does not resume.
    pub fn into_error(self) -> io::Error {
        self.error.unwrap_or_else(|| io::Error::other("the source was not opened"))
    }
}

/// Reads a source and opens it again after an interruption, at the next byte; for
/// [`ImageCache::get_or_fetch`](crate::ImageCache::get_or_fetch), [`ImageCache::cache_image`](crate::ImageCache::cache_image) and
/// similar methods.
///
/// The function that opens it is called when the first byte is read, and again after each error, with the offset and the error.
/// It returns a source that starts at the offset, or the error for the readers: the given one, if it cannot resume. It must make
/// sure that the new source is the same image: only an expected checksum would detect another one.
///
/// ```
/// use image_cache::{Config, Expected, ImageCache, Outcome, Resuming};
/// use std::io::{self, Read};
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// let cache = ImageCache::open(Config::builder(directory).build()?)?;
/// // A store whose connections break after four bytes.
/// let store = |offset: usize| b"an image"[offset..][..4].chain(Broken);
/// # struct Broken;
/// # impl Read for Broken {
/// #     fn read(&mut self, _: &mut [u8]) -> io::Result<usize> { Err(io::ErrorKind::ConnectionReset.into()) }
/// # }
/// let source = Resuming::new(Some(8), |broken| match broken.offset {
///     8 => Ok(Box::new(io::empty()) as Box<dyn Read + Send>),
///     offset if broken.attempts_without_bytes < 3 => Ok(Box::new(store(offset as usize))),
///     _ => Err(broken.into_error()),
/// });
/// assert!(matches!(cache.cache_image("cirros", source, Expected::nothing())?, Outcome::Cached(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Resuming<F, R> {
    start: F,
    source: Option<R>,
    progress: ResumeState,
}

impl<F, R> Resuming<F, R>
where
    F: FnMut(Break) -> io::Result<R>,
    R: Read,
{
    /// With a `size`, an end before this number of bytes is also an interruption
    /// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)).
    pub fn new(size: Option<u64>, start: F) -> Self {
        Resuming { start, source: None, progress: ResumeState::new(size) }
    }
}

impl<F, R> Read for Resuming<F, R>
where
    F: FnMut(Break) -> io::Result<R>,
    R: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(source) = &mut self.source else {
                let broken = self.progress.break_off();
                self.source = Some((self.start)(broken)?);
                continue;
            };
            match source.read(buf) {
                Ok(0) if self.progress.is_whole() => return Ok(0),
                Ok(0) => self.progress.note_break(None),
                Ok(count) => {
                    self.progress.note_received(count);
                    return Ok(count);
                }
                Err(error) if Error::asks_to_read_again(&error) => return Err(error),
                Err(error) => self.progress.note_break(Some(error)),
            }
            self.source = None;
        }
    }
}

/// The progress of a source across interruptions.
#[derive(Debug)]
pub(crate) struct ResumeState {
    size: Option<u64>,
    offset: u64,
    error: Option<io::Error>,
    attempts_without_bytes: u32,
    brought: bool,
}

impl ResumeState {
    pub fn new(size: Option<u64>) -> ResumeState {
        ResumeState { size, offset: 0, error: None, attempts_without_bytes: 0, brought: false }
    }

    pub fn note_received(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.brought = true;
    }

    /// Whether an end is expected here.
    pub fn is_whole(&self) -> bool {
        self.size.is_none_or(|size| self.offset >= size)
    }

    /// Notes an interruption, by an error or an early end.
    pub fn note_break(&mut self, error: Option<io::Error>) {
        self.attempts_without_bytes =
            if std::mem::take(&mut self.brought) { 0 } else { self.attempts_without_bytes + 1 };
        self.error = Some(error.unwrap_or_else(|| self.ended_early()));
    }

    /// The argument for the function that opens the source again.
    pub fn break_off(&mut self) -> Break {
        Break {
            offset: self.offset,
            error: self.error.take(),
            attempts_without_bytes: self.attempts_without_bytes,
        }
    }

    fn ended_early(&self) -> io::Error {
        let (received, size) = (self.offset, self.size.unwrap_or_default());
        let words = format!("the source ended after {received} of {size} bytes");
        io::Error::new(io::ErrorKind::UnexpectedEof, words)
    }
}
