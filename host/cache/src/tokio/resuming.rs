//! A source that goes on where it broke off.

use super::stream::CHUNK;
use crate::resuming::{Break, ResumeState};
use ::tokio::io::AsyncRead;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::io;
use std::pin::Pin;
use tokio_util::io::ReaderStream;

/// The bytes of a source that `start` opens, and opens again where it breaks off, at the byte that is next;
/// for [`AsyncImageCache::get_or_fetch_stream`](super::AsyncImageCache::get_or_fetch_stream) and its like.
///
/// `start` is asked once with [`Break::none`], at offset 0, when the first chunk is wanted, and again after each
/// error, with the offset and the error. It answers with the bytes from that offset on, or with the error that
/// the readers get: that one, if it cannot or will not go on. How often it tries and how long it waits in
/// between is its own affair; [`Break::attempts_without_bytes`] helps to bound that. It must make sure that what it goes on with is the
/// same image (by an ETag, for instance): nothing else does, unless an MD5 is expected.
///
/// With a `size`, a source that ends before so many bytes has broken off, too
/// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)).
///
/// What has been cached of the image so far stays where it is, and so do the states of its MD5 and its block digests:
/// nothing is read twice.
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

/// A stream of an `AsyncRead`'s bytes, of up to 256 KiB at a time.
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
