//! The task that brings the bytes of a fetch to all its readers: as fast as they come, once somebody reads.

use super::background_fill::BackgroundFill;
use super::stream::ImageStream;
use crate::single_flight::{Call, FetchEnd, Progress};
use bytes::Bytes;
use futures_util::stream::StreamExt;
use image_cache_store::sync::lock;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// What the task leaves to the reader whose fetch it is.
pub(super) enum Leftover {
    /// The source and what verifies it: the cache has failed.
    Source(ImageStream, BackgroundFill),
    /// The source's error as it was; all others get its copy.
    Error(io::Error),
}

/// Where it leaves that.
#[derive(Default)]
pub(super) struct PumpLeftover(Mutex<Option<Leftover>>);

impl PumpLeftover {
    pub fn take(&self) -> Option<Leftover> {
        lock(&self.0).take()
    }

    fn put(&self, left: Leftover) {
        *lock(&self.0) = Some(left);
    }
}

/// Why no more bytes are brought.
enum Halt {
    /// The source has ended.
    WholeImage,
    Failed(io::Error),
    /// The bytes are not those that were promised; everybody knows.
    Refused,
    /// Nobody reads along any more.
    Deserted,
    CacheFailed,
}

/// Brings the bytes until the end, or until nobody wants them (`to_end`: all the same).
pub(super) async fn run(
    mut source: ImageStream,
    mut filling: BackgroundFill,
    leftover: Arc<PumpLeftover>,
    to_end: bool,
) {
    let progress = Arc::clone(filling.progress());
    let panics = Panics(&progress);
    let halt = bring_all(&mut source, &mut filling, &progress, to_end).await;
    drop(panics);
    match halt {
        // The fill tells the verdict to everybody.
        Halt::WholeImage => drop(filling.finish().await),
        Halt::Failed(error) => {
            let (copy, original) = (crate::error::clone_io_error(&error), error);
            leftover.put(Leftover::Error(original));
            filling.reject(&copy).await;
        }
        Halt::Refused | Halt::Deserted => {}
        Halt::CacheFailed => {
            if let Ok(mut filling) = filling.take_pending().await {
                let pending = filling.pending();
                let left = Leftover::Source(source, filling);
                progress.end_with(pending, FetchEnd::CacheFailed, || leftover.put(left));
            }
        }
    }
}

async fn bring_all(
    source: &mut ImageStream,
    filling: &mut BackgroundFill,
    progress: &Progress,
    to_end: bool,
) -> Halt {
    loop {
        let is_wanted = poll_fn(|context| progress.poll_demand(context)).await;
        if !is_wanted && !to_end {
            return Halt::Deserted;
        }
        match next(source, progress, filling.received(), to_end).await {
            Next::Deserted => return Halt::Deserted,
            Next::Source(None) => return Halt::WholeImage,
            Next::Source(Some(Err(error))) => return Halt::Failed(error),
            Next::Source(Some(Ok(chunk))) => {
                if filling.push(chunk).await.is_err() {
                    return Halt::Refused;
                }
            }
            Next::Write => {
                if filling.flush().await.is_err() {
                    return Halt::Refused;
                }
            }
        }
        if filling.has_failed() {
            return Halt::CacheFailed;
        }
    }
}

enum Next {
    Source(Option<io::Result<Bytes>>),
    Write,
    Deserted,
}

/// What the source gives next, unless there is something else to do while it gives nothing.
async fn next(source: &mut ImageStream, progress: &Progress, received: u64, to_end: bool) -> Next {
    poll_fn(|context| {
        if let Poll::Ready(next) = source.poll_next_unpin(context) {
            return Poll::Ready(Next::Source(next));
        }
        match progress.poll_call(received, context) {
            Poll::Ready(Call::Write) => Poll::Ready(Next::Write),
            Poll::Ready(Call::Deserted) if !to_end => Poll::Ready(Next::Deserted),
            Poll::Ready(Call::Deserted) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Tells everybody that the source panicked.
struct Panics<'a>(&'a Progress);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = io::Error::other("the source panicked");
            self.0.end(FetchEnd::Failed(Arc::new(error)));
        }
    }
}
