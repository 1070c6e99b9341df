//! Push writing: the caller writes the bytes of an image, instead of handing over a source.

use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::outcome::Outcome;
use crate::single_flight::{Holding, Progress};
use image_cache_model::ImageId;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Writes an image into the cache; see [`ImageCache::begin`](crate::ImageCache::begin).
///
/// Nothing is cached before [`finish`](Self::finish) has verified the image. A drop before that undoes everything, like
/// [`abort`](Self::abort): the bytes that were written are moved to `invalid/`, which cleaning removes.
///
/// A failure of the cache, for example a full disk, does not fail a write: the writer continues to verify, and `finish` returns
/// the failure as its [`Outcome`]. [`bypass_reason`](Self::bypass_reason) tells earlier that nothing will be cached.
///
/// Readers of [`get_or_fetch`](crate::ImageCache::get_or_fetch) follow the writer like any fetch. Write from a thread that does
/// not read the same image at the same time: a reader waits for the writer until its patience ends. A caller that reads a source which
/// may itself read images of a cache should state when it does, with [`reading_source`](Self::reading_source).
pub struct ImageWriter {
    state: State,
}

enum State {
    Running(Box<Fill>),
    Failed(ImageId),
}

/// This thread reads the source of a writer, until this is dropped; see [`ImageWriter::reading_source`].
#[must_use = "the source is read until it is dropped"]
pub struct SourceRead {
    _holding: Option<Holding<Arc<Progress>>>,
}

impl fmt::Debug for SourceRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRead").finish_non_exhaustive()
    }
}

impl ImageWriter {
    pub(crate) fn new(fill: Fill) -> ImageWriter {
        ImageWriter { state: State::Running(Box::new(fill)) }
    }

    /// Why nothing will be cached, if that is already certain: the image is cached already, the driver refuses it, or the cache has
    /// failed. The caller may stop writing then.
    pub fn bypass_reason(&self) -> Option<&Outcome> {
        match &self.state {
            State::Running(fill) => fill.bypass_reason(),
            State::Failed(_) => None,
        }
    }

    /// States that this thread now reads the next bytes of the image from a source, until the result is dropped. If the source needs
    /// the image itself, through a cache of this process, directly or through the sources of other images, its read fails at once with
    /// [`Error::Deadlock`](crate::Error::Deadlock), instead of waiting until its patience ends. It costs a few nanoseconds.
    ///
    /// ```
    /// use image_cache::{Config, Error, Expected, ImageCache};
    /// use std::io::Read;
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// let writer = cache.begin("cirros", Expected::nothing())?;
    /// let reading = writer.reading_source();
    /// let mut own = cache.follow("cirros")?.expect("it is being written");
    /// let error = own.read(&mut [0]).expect_err("it would wait for itself");
    /// assert!(matches!(Error::of_io(&error), Some(Error::Deadlock { .. })));
    /// drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reading_source(&self) -> SourceRead {
        let holding = match &self.state {
            State::Running(fill) => Some(Holding::start(Arc::clone(fill.progress()))),
            State::Failed(_) => None,
        };
        SourceRead { _holding: holding }
    }

    /// Verifies the image and caches it. It is on disk when this returns, as far as `image_cache_durability` requires it.
    ///
    /// # Errors
    /// [`Error::ChecksumMismatch`](crate::Error::ChecksumMismatch) or [`Error::SizeMismatch`](crate::Error::SizeMismatch) if the
    /// bytes are not the expected ones, and [`Error::WriterFailed`](crate::Error::WriterFailed) if a write has failed before; nothing
    /// is cached then.
    pub fn finish(self) -> Result<Outcome> {
        match self.state {
            State::Running(fill) => fill.finish(),
            State::Failed(image_id) => Err(Error::WriterFailed { image_id }),
        }
    }

    /// Undoes everything, like a drop.
    pub fn abort(self) {}
}

impl Write for ImageWriter {
    /// Takes all bytes. An error of kind [`InvalidData`](io::ErrorKind::InvalidData) if there are more than expected; all further
    /// writes fail then, and nothing is cached.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fill = match &mut self.state {
            State::Running(fill) => fill,
            State::Failed(image_id) => return Err(already_failed(image_id)),
        };
        match fill.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.state = State::Failed(fill.image_id().clone());
                Err(error.into())
            }
        }
    }

    /// Passes the bytes that were written to the operating system, where followers read them. They are not verified.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(fill) => {
                fill.check_process()?;
                fill.flush();
            }
            State::Failed(image_id) => return Err(already_failed(image_id)),
        }
        Ok(())
    }
}

impl fmt::Debug for ImageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (image, has_failed) = match &self.state {
            State::Running(fill) => (fill.image_id(), false),
            State::Failed(image) => (image, true),
        };
        let mut writer = f.debug_struct("ImageWriter");
        writer.field("image", image).field("has_failed", &has_failed).finish_non_exhaustive()
    }
}

/// The error of every use after a failed write.
fn already_failed(image_id: &ImageId) -> io::Error {
    Error::WriterFailed { image_id: image_id.clone() }.into()
}
