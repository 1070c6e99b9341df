//! A fill whose work is done on threads that may block, beside the waiting for its source.

use super::blocking::blocking;
use super::off_runtime::OffRuntime;
use super::queued_fill::{PendingChunks, QueuedFill};
use super::stream::CHUNK;
use crate::cache::ImageCache;
use crate::error::{Error, Result, clone_io_error};
use crate::fill::Fill;
use crate::outcome::Outcome;
use crate::single_flight::Progress;
use bytes::Bytes;
use image_cache_model::Expected;
use image_cache_store::sync::lock;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A fill that is dropped moves its file: not on a thread of the runtime.
type IdleFill = OffRuntime<QueuedFill>;

/// A running fetch, fed in the background.
pub(super) struct BackgroundFill {
    state: FeedState,
    /// What came since the background took its last portion.
    pending: PendingChunks,
    pending_bytes: usize,
    received: u64,
    size: Option<u64>,
    progress: Arc<Progress>,
    failed: bool,
}

enum FeedState {
    Idle(IdleFill),
    Busy(JoinHandle<(IdleFill, Result<()>)>),
    Lost,
}

impl BackgroundFill {
    pub async fn start(cache: &ImageCache, id: &str, expected: Expected) -> Result<Self> {
        let (cache, id, size) = (cache.clone(), id.to_owned(), expected.size);
        let start = move || Ok::<_, Error>(idle(cache.fill(&id, expected)?));
        Ok(BackgroundFill::of(blocking(start).await?, size))
    }

    /// Goes on with a fill, at its beginning or when all that came was handed out or held back.
    pub fn of(fill: IdleFill, size: Option<u64>) -> Self {
        let (progress, received) = (Arc::clone(fill.progress()), fill.received());
        let pending = fill.pending_chunks();
        let state = FeedState::Idle(fill);
        BackgroundFill { state, pending, pending_bytes: 0, received, size, progress, failed: false }
    }

    /// Bytes that came.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the cache was seen to have failed.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// How far it has come, for its followers.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Takes the next chunk; an error if the image has become longer than it may be.
    pub async fn push(&mut self, chunk: Bytes) -> Result<()> {
        self.received += chunk.len() as u64;
        self.pending_bytes += chunk.len();
        lock(&self.pending).push(chunk);
        // Too many bytes must be an error now, before anybody gets the last byte that was promised.
        let too_long = self.size.is_some_and(|size| self.received > size);
        if self.pending_bytes < CHUNK && !too_long && !self.progress.is_awaited() {
            return Ok(());
        }
        self.feed().await?;
        if too_long {
            let fill = self.idle().await?;
            self.state = FeedState::Idle(fill);
        }
        Ok(())
    }

    /// The end of the source: the verdict, and the image published.
    pub async fn finish(mut self) -> Result<Outcome> {
        self.feed().await?;
        let fill = self.idle().await?;
        blocking(move || fill.into_inner().into_fill().finish()).await
    }

    /// Writes what has come and is not written yet, for a reader that waits for it.
    pub async fn flush(&mut self) -> Result<()> {
        let mut fill = self.idle().await?;
        let is_needed = self.pending_bytes > 0 || fill.has_pending();
        if is_needed {
            self.pending_bytes = 0;
            fill = blocking(move || {
                fill.push_pending()?;
                fill.flush();
                Ok::<_, Error>(fill)
            })
            .await?;
        }
        self.failed = fill.bypass_reason().is_some();
        self.state = FeedState::Idle(fill);
        Ok(())
    }

    /// The cache has failed: the fill, for the reader that goes on with the source, and the bytes that came behind what was
    /// written, which are only in memory.
    pub async fn take_pending(mut self) -> Result<(BackgroundFill, Vec<u8>)> {
        let mut fill = self.idle().await?;
        let taken = blocking(move || {
            fill.push_pending()?;
            let pending = fill.take_pending();
            Ok::<_, Error>((fill, pending))
        });
        let (fill, pending) = taken.await?;
        Ok((BackgroundFill::of(fill, self.size), pending))
    }

    /// The source failed: the file goes to `invalid/`.
    pub async fn reject(&mut self, error: &io::Error) {
        let error = clone_io_error(error);
        if let Ok(mut fill) = self.idle().await {
            let rejected = blocking(move || {
                // One that refuses them has written them.
                let _ = fill.push_pending();
                fill.reject(&error);
                Ok::<_, Error>(())
            });
            // A runtime that stops drops the fill, which does the same.
            let _ = rejected.await;
        }
    }

    /// Why nothing will be cached, if that is known.
    pub fn bypass_reason(&self) -> Option<Outcome> {
        match &self.state {
            FeedState::Idle(fill) => fill.bypass_reason().cloned(),
            FeedState::Busy(_) | FeedState::Lost => None,
        }
    }

    /// Hands what waits to the background, once that is done with the portion before.
    async fn feed(&mut self) -> Result<()> {
        let mut fill = self.idle().await?;
        self.pending_bytes = 0;
        // If the runtime stops before that, they are still there when the fill is dropped.
        self.state = FeedState::Busy(tokio::task::spawn_blocking(move || {
            let result = fill.push_pending();
            (fill, result)
        }));
        Ok(())
    }

    /// Waits for the background.
    async fn idle(&mut self) -> Result<IdleFill> {
        match std::mem::replace(&mut self.state, FeedState::Lost) {
            FeedState::Idle(fill) => Ok(fill),
            FeedState::Busy(task) => {
                let (fill, result) = task.await.map_err(|_| Error::RuntimeStopped)?;
                self.failed = fill.bypass_reason().is_some();
                result.map(|()| fill)
            }
            FeedState::Lost => Err(Error::RuntimeStopped),
        }
    }
}

/// At its beginning.
pub(super) fn idle(fill: Fill) -> IdleFill {
    OffRuntime::new(QueuedFill::new(fill))
}
