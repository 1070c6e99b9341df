//! The push writer: the caller pushes the bytes of an image into a fill.

use crate::error::Result;
use crate::fill::Fill;
use crate::outcome::Outcome;
use std::fmt;
use std::io::{self, Write};

/// Caches one image from pushed bytes; see [`ImageCache::begin`](crate::ImageCache::begin). A drop before
/// [`finish`](Self::finish) undoes it.
pub struct ImageWriter {
    fill: Fill,
}

impl ImageWriter {
    pub(crate) fn new(fill: Fill) -> ImageWriter {
        ImageWriter { fill }
    }

    /// Why the image is not cached, if that is already certain: the bytes are then only verified.
    pub fn bypass_reason(&self) -> Option<&Outcome> {
        self.fill.bypass_reason()
    }

    /// The end of the image: verifies and publishes it.
    pub fn finish(self) -> Result<Outcome> {
        self.fill.finish()
    }

    /// Undoes it.
    pub fn abort(self) {}
}

impl fmt::Debug for ImageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageWriter")
            .field("image_id", self.fill.image_id())
            .finish_non_exhaustive()
    }
}

impl Write for ImageWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fill.push(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fill.flush();
        Ok(())
    }
}
