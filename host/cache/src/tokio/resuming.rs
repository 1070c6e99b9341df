//! A stream that resumes after an interruption.

use super::stream::CHUNK;
use crate::resuming::{Break, ResumeState};
use ::tokio::io::AsyncRead;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::io;
use std::pin::Pin;
use tokio_util::io::ReaderStream;

/// The bytes of a source that `start` opens, and opens again after an interruption, at the next byte; for
/// [`AsyncImageCache::get_or_fetch_stream`](super::AsyncImageCache::get_or_fetch_stream) and similar methods.
///
/// `start` is called with [`Break::none`], at offset 0, when the first chunk is read, and again after each error, with the offset
/// and the error. It returns a source that starts at the offset, or the error for the readers: the given one, if it cannot
/// resume. It decides how often it tries and how long it waits in between; [`Break::attempts_without_bytes`] helps to limit that.
/// It must make sure that the new source is the same image (for example by an ETag): only an expected checksum would detect another
/// one.
///
/// With a `size`, an end before this number of bytes is also an interruption ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)).
///
/// The cached bytes and the states of the digests and the block digests are kept: no byte is read twice.
///
/// ```
/// use image_cache::tokio::{AsyncImageCache, resuming};
/// use image_cache::{Config, Expected};
/// use ::tokio::io::AsyncReadExt;
/// use bytes::Bytes;
/// use futures_util::stream;
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let cache = AsyncImageCache::open(Config::builder(directory).build()?).await?;
/// let store = |offset: usize| {
///     let came = Ok(Bytes::from_static(&b"an image"[offset..][..4]));
///     let broke = (offset == 0).then(|| Err(std::io::ErrorKind::ConnectionReset.into()));
///     stream::iter(std::iter::once(came).chain(broke))
/// };
/// let source = resuming(Some(8), move |broken| async move {
///     if broken.attempts_without_bytes > 3 { Err(broken.into_error()) } else { Ok(store(broken.offset as usize)) }
/// });
/// let mut image = String::new();
/// let mut reader = cache.get_or_fetch_stream("cirros", Expected::nothing(), source).await?;
/// reader.read_to_string(&mut image).await?;
/// assert_eq!(image, "an image");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn resuming<F, Fut, S>(
    size: Option<u64>,
    start: F,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
where
    F: FnMut(Break) -> Fut + Send + 'static,
    Fut: Future<Output = io::Result<S>> + Send + 'static,
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let resuming = ResumingStream { start, source: None, progress: ResumeState::new(size) };
    stream::try_unfold(resuming, ResumingStream::next)
}

/// The bytes of an `AsyncRead` as a stream of chunks of up to 256 KiB.
pub fn chunks_of<R>(source: R) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
where
    R: AsyncRead + Send + 'static,
{
    ReaderStream::with_capacity(source, CHUNK)
}

struct ResumingStream<F, S> {
    start: F,
    source: Option<Pin<Box<S>>>,
    progress: ResumeState,
}

impl<F, Fut, S> ResumingStream<F, S>
where
    F: FnMut(Break) -> Fut,
    Fut: Future<Output = io::Result<S>>,
    S: Stream<Item = io::Result<Bytes>>,
{
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            let Some(source) = &mut self.source else {
                let broken = self.progress.break_off();
                self.source = Some(Box::pin((self.start)(broken).await?));
                continue;
            };
            let error = match source.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => {
                    self.progress.note_received(chunk.len());
                    return Ok(Some((chunk, self)));
                }
                None if self.progress.is_whole() => return Ok(None),
                None => None,
                Some(Err(error)) => Some(error),
            };
            self.source = None;
            self.progress.note_break(error);
        }
    }
}
