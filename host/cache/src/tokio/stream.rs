//! The bytes of an image as a stream.

use bytes::Bytes;
use futures_util::stream::Stream;
use std::io;
use std::pin::Pin;

/// Number of bytes that are read from a source or a growing file at once.
pub(super) const CHUNK: usize = 256 * 1024;

/// The bytes of an image, in order. An error ends the stream; an end without an error means that the image is complete.
pub type ImageStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
