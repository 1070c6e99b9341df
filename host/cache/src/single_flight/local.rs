//! The growing file of a fetch in this process.

use super::growing_file::{GrowingFile, Snapshot};
use super::partial_bytes::PartialBytes;
use super::producer::{Producer, SharedSource};
use super::progress::Progress;
use super::task_waits;
use super::wait_graph::Waiting;
use image_cache_model::ImageId;
use image_cache_store::process::Generation;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The growing file of a fetch in this process. It counts as a reader of the fetch: after the drop of the last one, the fetch is
/// abandoned or continues alone, as configured.
pub(super) struct LocalFile {
    progress: Arc<Progress>,
    image_id: ImageId,
    /// The source, if it belongs to all readers.
    source: Option<Arc<dyn SharedSource>>,
    /// Whether a task reads the source. Its runtime may have stopped, or may wait for this thread.
    is_task: bool,
    /// The process whose reader it is.
    process: Generation,
}

impl LocalFile {
    /// Joins a fetch; `None` if the fetch is ending.
    pub fn join(
        progress: Arc<Progress>,
        image_id: ImageId,
        producer: &Producer,
    ) -> Option<LocalFile> {
        let source = match producer {
            Producer::AnyReader(source) => Some(source.upgrade()?),
            Producer::Reader | Producer::Task => None,
        };
        let mut file = LocalFile::new(progress, image_id, source);
        file.is_task = matches!(producer, Producer::Task);
        Some(file)
    }

    /// The file of the reader's own fetch.
    pub fn new(
        progress: Arc<Progress>,
        image_id: ImageId,
        source: Option<Arc<dyn SharedSource>>,
    ) -> LocalFile {
        progress.join();
        LocalFile { progress, image_id, source, is_task: false, process: Generation::current() }
    }

    /// Whether its readers fetch the bytes.
    pub fn is_fetched_by_readers(&self) -> bool {
        self.source.is_some()
    }
}

impl GrowingFile for LocalFile {
    fn snapshot(&mut self, _wanted: Range<u64>) -> io::Result<Snapshot> {
        self.progress.snapshot()
    }

    fn bytes(&self, _position: u64) -> io::Result<PartialBytes> {
        Ok(self.progress.snapshot()?.bytes)
    }

    fn size(&self) -> Option<u64> {
        self.progress.size()
    }

    /// A task that answers only waits for its source.
    fn ping_writer(&mut self) -> bool {
        self.is_task && self.progress.check_writer()
    }

    fn remember_stuck(&mut self) {
        self.progress.remember_stuck();
    }

    fn wait(&mut self, position: u64, at_most: Option<Duration>) -> io::Result<()> {
        match &self.source {
            Some(source) => source.fetch_next(position),
            None => {
                let _waiting = Waiting::start(&self.progress, &self.image_id, position)?;
                self.progress.wait(position, at_most);
                Ok(())
            }
        }
    }
}

impl LocalFile {
    /// Ready when there may be progress; an error if the fetch waits for this task.
    pub fn poll_moved(&self, position: u64, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let look = || self.source.as_ref().is_some_and(|source| source.is_idle());
        let moved = self.progress.poll_moved(position, look, context);
        if moved.is_pending() {
            task_waits::note(&self.progress, &self.image_id, position)?;
        }
        moved.map(Ok)
    }

    /// Fetches the next bytes if readers fetch and no other reader is fetching; true if there may be bytes now.
    pub fn try_fetch_next(&self, position: u64) -> io::Result<bool> {
        self.source.as_ref().map_or(Ok(false), |source| source.try_fetch_next(position))
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        let left = self.progress.leave();
        if let Some(source) = self.source.take().filter(|_| left == 0) {
            source.fetch_rest_detached();
        }
    }
}
