//! The task that reads the source of a fetch for all its readers, as fast as the bytes arrive, after the first read.

use super::background_fill::BackgroundFill;
use super::stream::ImageStream;
use crate::error::Error;
use crate::single_flight::{FetchEnd, Progress, PumpCall, SourcePoll};
use bytes::Bytes;
use futures_util::stream::StreamExt;
use image_cache_store::sync::lock;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// What the task leaves to the reader that started the fetch.
pub(super) enum Takeover {
    /// The source and the fill that verifies it, after a failure of the cache.
    Source(ImageStream, BackgroundFill),
    /// The original error of the source; the other readers get a copy.
    Error(io::Error),
}

/// Where the task leaves it.
pub(super) type TakeoverSlot = Mutex<Option<Takeover>>;

/// Why the pump stops.
enum Halt {
    /// The source has ended.
    WholeImage,
    Failed(io::Error),
    /// The bytes are not the expected ones; all followers have the error.
    Refused,
    /// No reader is left.
    Deserted,
    CacheFailed,
}

/// Reads the source to its end, or until no reader is left (with `to_end`, even then).
pub(super) async fn run(
    mut source: ImageStream,
    mut filling: BackgroundFill,
    takeover: Arc<TakeoverSlot>,
    to_end: bool,
) {
    let progress = Arc::clone(filling.progress());
    let panics = Panics(&progress);
    let halt = pump_all(&mut source, &mut filling, &progress, to_end).await;
    drop(panics);
    match halt {
        // The fill publishes the result to all followers.
        Halt::WholeImage => drop(filling.finish().await),
        Halt::Failed(error) => {
            let (copy, original) = (Error::copy_io(&error), error);
            *lock(&takeover) = Some(Takeover::Error(original));
            filling.reject(&copy).await;
        }
        Halt::Refused | Halt::Deserted => {}
        Halt::CacheFailed => {
            if let Ok((filling, pending)) = filling.take_pending().await {
                let left = Some(Takeover::Source(source, filling));
                progress.end_with(pending, FetchEnd::CacheFailed, || *lock(&takeover) = left);
            }
        }
    }
}

async fn pump_all(
    source: &mut ImageStream,
    filling: &mut BackgroundFill,
    progress: &Arc<Progress>,
    to_end: bool,
) -> Halt {
    loop {
        let is_wanted = poll_fn(|context| progress.poll_demand(context)).await;
        if !is_wanted && !to_end {
            return Halt::Deserted;
        }
        match next(source, progress, filling.received(), to_end).await {
            PumpEvent::Deserted => return Halt::Deserted,
            PumpEvent::Source(None) => return Halt::WholeImage,
            PumpEvent::Source(Some(Err(error))) => return Halt::Failed(error),
            PumpEvent::Source(Some(Ok(chunk))) => {
                if filling.push(chunk).await.is_err() {
                    return Halt::Refused;
                }
            }
            PumpEvent::Write => {
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

enum PumpEvent {
    Source(Option<io::Result<Bytes>>),
    Write,
    Deserted,
}

/// The next chunk of the source, or other work while it has none.
async fn next(
    source: &mut ImageStream,
    progress: &Arc<Progress>,
    received: u64,
    to_end: bool,
) -> PumpEvent {
    poll_fn(|context| {
        let polling = SourcePoll::start(progress);
        let next = source.poll_next_unpin(context);
        drop(polling);
        if let Poll::Ready(next) = next {
            return Poll::Ready(PumpEvent::Source(next));
        }
        match progress.poll_call(received, context) {
            Poll::Ready(PumpCall::Write) => Poll::Ready(PumpEvent::Write),
            Poll::Ready(PumpCall::Deserted) if !to_end => Poll::Ready(PumpEvent::Deserted),
            Poll::Ready(PumpCall::Deserted) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Ends the fetch with an error if the source panics.
struct Panics<'a>(&'a Progress);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = io::Error::other("the source panicked");
            self.0.end(FetchEnd::Failed(Arc::new(error)));
        }
    }
}
