//! Push writing for `AsyncWrite`: bytes are collected, and written on blocking threads.

use super::background_fill::BackgroundFill;
use super::stream::CHUNK;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use bytes::Bytes;
use image_cache_model::ImageId;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// An [`ImageWriter`](crate::ImageWriter) for tokio; see [`AsyncImageCache::begin`](super::AsyncImageCache::begin).
///
/// A write takes its bytes at once and passes them on in the background, so an error of bytes can be returned by a later call.
/// [`finish`](Self::finish) verifies and caches the image. `shutdown` only flushes, because code that shuts a writer down after an
/// error must not publish half of an image. A drop before `finish` undoes everything, on a thread that may block.
pub struct AsyncImageWriter {
    image_id: ImageId,
    state: State,
}

type Work = Pin<Box<dyn Future<Output = (BackgroundFill, Result<()>)> + Send>>;

enum State {
    Ready(Box<BackgroundFill>),
    /// Bytes that were taken from the caller are being passed on.
    Working(Work),
    Failed,
}

impl AsyncImageWriter {
    pub(super) fn new(image_id: ImageId, filling: BackgroundFill) -> AsyncImageWriter {
        AsyncImageWriter { image_id, state: State::Ready(Box::new(filling)) }
    }

    /// [`ImageWriter::bypass_reason`](crate::ImageWriter::bypass_reason); `None` also while bytes are being passed on.
    pub fn bypass_reason(&self) -> Option<Outcome> {
        match &self.state {
            State::Ready(filling) => filling.bypass_reason(),
            State::Working(_) | State::Failed => None,
        }
    }

    /// [`ImageWriter::finish`](crate::ImageWriter::finish). If the future is dropped before its end, the image is either cached or
    /// not, but never in part.
    ///
    /// # Errors
    /// As for [`ImageWriter::finish`](crate::ImageWriter::finish); also the error of bytes that were taken, but not passed on yet.
    pub async fn finish(mut self) -> Result<Outcome> {
        let settled = std::future::poll_fn(|context| self.poll_ready(context)).await;
        settled.map_err(|error| Error::of_reader(&self.image_id, error))?;
        match self.state {
            State::Ready(filling) => filling.finish().await,
            State::Working(_) | State::Failed => {
                Err(Error::WriterFailed { image_id: self.image_id })
            }
        }
    }

    /// Undoes everything, like a drop.
    pub fn abort(self) {}

    /// Waits until the writer can take bytes.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Failed = &self.state {
            let image_id = self.image_id.clone();
            return Poll::Ready(Err(Error::WriterFailed { image_id }.into()));
        }
        if let State::Working(work) = &mut self.state {
            let (filling, done) = ready!(work.as_mut().poll(context));
            self.state = State::Ready(Box::new(filling));
            if let Err(error) = done {
                self.state = State::Failed;
                return Poll::Ready(Err(error.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Starts work on the fill, which must be ready.
    fn start(&mut self, work: impl FnOnce(BackgroundFill) -> Work) {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Ready(filling) => self.state = State::Working(work(*filling)),
            other => self.state = other,
        }
    }
}

impl AsyncWrite for AsyncImageWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let writer = self.get_mut();
        ready!(writer.poll_ready(context))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let chunk = Bytes::copy_from_slice(&bytes[..bytes.len().min(CHUNK)]);
        let count = chunk.len();
        writer.start(|mut filling| {
            Box::pin(async move {
                let pushed = filling.push(chunk).await;
                (filling, pushed)
            })
        });
        // Most pushes end at once. An error is that of these bytes.
        match writer.poll_ready(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let writer = self.get_mut();
        ready!(writer.poll_ready(context))?;
        let State::Ready(filling) = &writer.state else { return Poll::Ready(Ok(())) };
        if !filling.has_unwritten() {
            return Poll::Ready(Ok(()));
        }
        writer.start(|mut filling| {
            Box::pin(async move {
                let flushed = filling.flush().await;
                (filling, flushed)
            })
        });
        writer.poll_ready(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl fmt::Debug for AsyncImageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncImageWriter").field("image", &self.image_id).finish_non_exhaustive()
    }
}
