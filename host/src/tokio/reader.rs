//! Bytes of an image as an `AsyncRead`: an error stays an error, and a hit is counted at the last byte.

use super::{ImageStream, chunks};
use crate::flight::Route;
use crate::reading::{CachedReader, PendingHit};
use ::tokio::io::{AsyncRead, ReadBuf};
use ::tokio::task::JoinHandle;
use bytes::Bytes;
use futures_util::stream::{Stream, TryStreamExt};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The next bytes, and the hit that is counted when the last of them is delivered.
pub(super) struct Chunk {
    pub bytes: Bytes,
    pub hit: Option<PendingHit>,
}

/// Chunks, of which the last one may bring a hit with it.
pub(super) type Chunks = Pin<Box<dyn Stream<Item = io::Result<Chunk>> + Send>>;

/// The bytes of an image, or of a part of it.
///
/// Its end is that of a whole image; after an error it stays in error.
pub struct ImageReader {
    stream: Chunks,
    chunk: Bytes,
    failed: Option<io::ErrorKind>,
    /// What is to be counted when the last byte is asked for, and how many bytes lie before that.
    hit: Option<(PendingHit, u64)>,
    counting: Option<JoinHandle<()>>,
    route: Route,
    image_size: Option<u64>,
}

impl ImageReader {
    /// Where it found the image when it was opened.
    pub fn route(&self) -> Route {
        self.route
    }

    /// Bytes in the whole image, where that was known when it was opened: from the cache, or from what was expected
    /// by whoever began the fetch.
    pub fn image_size(&self) -> Option<u64> {
        self.image_size
    }

    /// The bytes that have not been read yet, as a stream of chunks, which are not copied. The read is a hit when
    /// the last chunk is handed out.
    pub fn into_stream(self) -> ImageStream {
        let chunks = tokio_util::io::ReaderStream::with_capacity(self, super::CHUNK);
        Box::pin(chunks)
    }

    pub(super) fn new(stream: ImageStream) -> Self {
        let chunk = |bytes| Chunk { bytes, hit: None };
        ImageReader::of_chunks(Box::pin(stream.map_ok(chunk)))
    }

    pub(super) fn of_chunks(stream: Chunks) -> Self {
        ImageReader {
            stream,
            chunk: Bytes::new(),
            failed: None,
            hit: None,
            counting: None,
            route: Route::Fetching,
            image_size: None,
        }
    }

    /// Reads a cached image, and counts the hit when the last byte is delivered.
    pub(super) fn of_cached(mut reader: CachedReader) -> Self {
        let (hit, size) = (reader.detach_hit(), reader.size());
        let image_size = Some(reader.image_size());
        let (route, hit) = (Route::Cached, hit.map(|hit| (hit, size)));
        ImageReader { hit, route, image_size, ..ImageReader::new(chunks(reader)) }
    }

    /// Has the hit written, on a thread that may block, if `count` bytes are the last ones.
    fn poll_count(&mut self, context: &mut Context<'_>, count: usize) -> Poll<()> {
        let is_last = |(_, left): &mut (PendingHit, u64)| *left <= count as u64;
        if let Some((hit, _)) = self.hit.take_if(is_last) {
            self.counting = Some(::tokio::task::spawn_blocking(|| hit.count()));
        }
        if let Some(task) = &mut self.counting {
            // A runtime that stops loses the hit, and nothing else.
            let _ = ready!(Pin::new(task).poll(context));
            self.counting = None;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ImageReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(kind) = this.failed {
            return Poll::Ready(Err(io::Error::new(kind, "the stream failed before")));
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while this.chunk.is_empty() {
            match ready!(this.stream.as_mut().poll_next(context)) {
                Some(Ok(Chunk { bytes, hit })) => {
                    if let Some(hit) = hit {
                        this.hit = Some((hit, bytes.len() as u64));
                    }
                    this.chunk = bytes;
                }
                Some(Err(error)) => {
                    this.failed = Some(error.kind());
                    return Poll::Ready(Err(error));
                }
                None => return this.poll_count(context, 0).map(Ok),
            }
        }
        let count = this.chunk.len().min(buf.remaining());
        ready!(this.poll_count(context, count));
        buf.put_slice(&this.chunk.split_to(count));
        if let Some((_, left)) = &mut this.hit {
            *left -= count as u64;
        }
        Poll::Ready(Ok(()))
    }
}
