//! Bytes of an image as an `AsyncRead`: after an error all reads fail, and a hit is counted at the last byte.

use super::cached::{OffRuntimeReader, chunks};
use super::off_runtime::OffRuntime;
use super::stream::ImageStream;
use crate::error::Error;
use crate::hits::PendingHit;
use crate::reading::CachedReader;
use crate::single_flight::Route;
use ::tokio::task::JoinHandle;
use bytes::Bytes;
use futures_util::stream;
use futures_util::stream::{Stream, TryStreamExt};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{fmt, io};
use tokio::io::{AsyncRead, ReadBuf};

/// The next bytes, and the hit that is counted when the last of them is returned.
pub(super) struct Chunk {
    pub bytes: Bytes,
    pub hit: Option<OffRuntime<PendingHit>>,
}

/// Chunks; the last one may have a hit.
pub(super) type ChunkStream = Pin<Box<dyn Stream<Item = io::Result<Chunk>> + Send>>;

/// The bytes of an image, or of a range of it.
///
/// It ends only after a complete image or range; after an error, all further reads fail.
pub struct ImageReader {
    stream: ChunkStream,
    chunk: Bytes,
    failed: Option<io::ErrorKind>,
    /// The hit to count when the last byte is read, and the number of bytes up to there.
    hit: Option<(OffRuntime<PendingHit>, u64)>,
    counting: Option<JoinHandle<()>>,
    route: Route,
    image_size: Option<u64>,
}

impl ImageReader {
    /// Where it found the image when it was opened.
    pub fn route(&self) -> Route {
        self.route
    }

    /// Bytes of the whole image, if known at opening: from the cache, or from the expected size of the reader that started the
    /// fetch.
    pub fn image_size(&self) -> Option<u64> {
        self.image_size
    }

    /// The bytes that have not been read yet, as a stream of chunks, which are not copied. The read counts a hit when the last
    /// chunk is returned.
    pub fn into_stream(mut self) -> ImageStream {
        let mut failed = self.failed.is_some();
        Box::pin(stream::poll_fn(move |context| {
            if failed {
                return Poll::Ready(None);
            }
            let taken = ready!(self.poll_take(context, usize::MAX));
            failed = taken.is_err();
            Poll::Ready(taken.map(|bytes| (!bytes.is_empty()).then_some(bytes)).transpose())
        }))
    }

    pub(super) fn of_chunks(stream: ChunkStream, route: Route, image_size: Option<u64>) -> Self {
        let (chunk, failed, hit, counting) = (Bytes::new(), None, None, None);
        ImageReader { stream, chunk, failed, hit, counting, route, image_size }
    }

    /// Reads the chunks of a stream that fills the cache at the same time.
    pub(super) fn passing(stream: ImageStream, route: Route, size: Option<u64>) -> Self {
        let chunk = |bytes| Chunk { bytes, hit: None };
        ImageReader::of_chunks(Box::pin(stream.map_ok(chunk)), route, size)
    }

    /// Reads a cached image, and counts the hit when the last byte is returned.
    pub(super) fn of_cached(mut reader: OffRuntimeReader) -> Self {
        let (size, image_size) = (reader.size(), reader.image_size());
        let hit = reader.detach_hit().map(|hit| (OffRuntime::new(hit), size));
        ImageReader { hit, ..ImageReader::passing(chunks(reader), Route::Cached, Some(image_size)) }
    }

    /// The next bytes, at most `at_most`; none at the end.
    fn poll_take(&mut self, context: &mut Context<'_>, at_most: usize) -> Poll<io::Result<Bytes>> {
        if let Some(kind) = self.failed {
            return Poll::Ready(Err(Error::ReaderFailed { kind }.into()));
        }
        while self.chunk.is_empty() {
            match ready!(self.stream.as_mut().poll_next(context)) {
                Some(Ok(Chunk { bytes, hit })) => {
                    if let Some(hit) = hit {
                        self.hit = Some((hit, bytes.len() as u64));
                    }
                    self.chunk = bytes;
                }
                Some(Err(error)) => {
                    self.failed = Some(error.kind());
                    return Poll::Ready(Err(error));
                }
                None => return self.poll_count(context, 0).map(|()| Ok(Bytes::new())),
            }
        }
        let count = self.chunk.len().min(at_most);
        ready!(self.poll_count(context, count));
        if let Some((_, left)) = &mut self.hit {
            *left -= count as u64;
        }
        Poll::Ready(Ok(self.chunk.split_to(count)))
    }

    /// Counts the hit on a blocking thread, if the next `count` bytes are the last ones.
    fn poll_count(&mut self, context: &mut Context<'_>, count: usize) -> Poll<()> {
        let is_last = |(_, left): &mut (OffRuntime<PendingHit>, u64)| *left <= count as u64;
        if let Some((hit, _)) = self.hit.take_if(is_last) {
            self.counting = Some(::tokio::task::spawn_blocking(|| hit.into_inner().count()));
        }
        if let Some(task) = &mut self.counting {
            // If the runtime stops, only the hit is lost.
            let _ = ready!(Pin::new(task).poll(context));
            self.counting = None;
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for ImageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageReader")
            .field("route", &self.route)
            .field("image_size", &self.image_size)
            .finish_non_exhaustive()
    }
}

/// Continues a read in tokio: the hit is counted when the last byte is returned here.
impl From<CachedReader> for ImageReader {
    fn from(reader: CachedReader) -> Self {
        ImageReader::of_cached(OffRuntime::new(reader))
    }
}

impl AsyncRead for ImageReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 && self.failed.is_none() {
            return Poll::Ready(Ok(()));
        }
        let bytes = ready!(self.poll_take(context, buf.remaining()))?;
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}
