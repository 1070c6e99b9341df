//! A fill that works on blocking threads while its source is awaited.

use super::blocking::blocking;
use super::off_runtime::OffRuntime;
use super::queued_fill::{PendingChunks, QueuedFill};
use super::stream::CHUNK;
use crate::cache::ImageCache;
use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::outcome::Outcome;
use crate::single_flight::Progress;
use bytes::Bytes;
use image_cache_model::Expected;
use image_cache_store::sync::lock;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The drop of a fill moves its file, which must not happen on a thread of the runtime.
type IdleFill = OffRuntime<QueuedFill>;

/// A running fetch that is written in the background.
///
/// The task that reads the source must not block, and writing to a disk may: this type collects the chunks, and a thread that may
/// block writes them, one batch at a time, in order. So the source is read ahead of the disk by at most the bytes that are
/// pending. [`finish`](Self::finish) waits for the last batch and publishes the image. If it is dropped before that, the fill
/// writes the pending chunks and moves its file to `invalid/`, on a thread that may block.
pub(super) struct BackgroundFill {
    state: FeedState,
    /// Chunks that arrived since the background task started its last write.
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
    pub async fn start(cache: ImageCache, id: &str, expected: Expected) -> Result<Self> {
        let (id, size) = (id.to_owned(), expected.size);
        let start = move || Ok::<_, Error>(idle(cache.fill(&id, expected)?));
        Ok(BackgroundFill::of(blocking(start).await?, size))
    }

    /// Continues a fill, at its beginning or when it has no pending bytes.
    pub fn of(fill: IdleFill, size: Option<u64>) -> Self {
        let (progress, received) = (Arc::clone(fill.progress()), fill.received());
        let pending = fill.pending_chunks();
        let state = FeedState::Idle(fill);
        BackgroundFill { state, pending, pending_bytes: 0, received, size, progress, failed: false }
    }

    /// Bytes that arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether bytes that arrived may not be written yet.
    pub fn has_unwritten(&self) -> bool {
        match &self.state {
            FeedState::Idle(fill) => self.pending_bytes > 0 || fill.has_pending(),
            FeedState::Busy(_) | FeedState::Lost => true,
        }
    }

    /// Whether a failure of the cache is known.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Its progress, for its followers.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Takes the next chunk; an error if the image has more bytes than expected.
    pub async fn push(&mut self, chunk: Bytes) -> Result<()> {
        self.received += chunk.len() as u64;
        self.pending_bytes += chunk.len();
        lock(&self.pending).push(chunk);
        // Too many bytes must be an error now, before a reader gets the last expected byte.
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

    /// The end of the source: verifies and publishes the image.
    pub async fn finish(mut self) -> Result<Outcome> {
        self.feed().await?;
        let fill = self.idle().await?;
        blocking(move || fill.into_inner().into_fill().finish()).await
    }

    /// Writes the bytes that are not written yet, for a reader that waits for them.
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

    /// After a failure of the cache: the fill, for the reader that continues with the source, and the bytes after the written
    /// ones, which are only in memory.
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

    /// The source failed: moves the file to `invalid/`.
    pub async fn reject(&mut self, error: &io::Error) {
        let error = Error::copy_io(error);
        if let Ok(mut fill) = self.idle().await {
            let rejected = blocking(move || {
                // Even if the fill refuses them, it has written them.
                let _ = fill.push_pending();
                fill.reject(&error);
                Ok::<_, Error>(())
            });
            // If the runtime stops, the drop of the fill does the same.
            let _ = rejected.await;
        }
    }

    /// Why nothing will be cached, if known.
    pub fn bypass_reason(&self) -> Option<Outcome> {
        match &self.state {
            FeedState::Idle(fill) => fill.bypass_reason().cloned(),
            FeedState::Busy(_) | FeedState::Lost => None,
        }
    }

    /// Writes the pending chunks in the background, after the previous write has ended.
    async fn feed(&mut self) -> Result<()> {
        let mut fill = self.idle().await?;
        self.pending_bytes = 0;
        // If the runtime stops before that, the drop of the fill writes them.
        self.state = FeedState::Busy(tokio::task::spawn_blocking(move || {
            let result = fill.push_pending();
            (fill, result)
        }));
        Ok(())
    }

    /// Waits for the background task.
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

impl Drop for BackgroundFill {
    fn drop(&mut self) {
        // The fill itself ends on another thread.
        self.progress.note_dropped();
    }
}

/// Wraps a fill at its beginning.
pub(super) fn idle(fill: Fill) -> IdleFill {
    OffRuntime::new(QueuedFill::new(fill))
}
