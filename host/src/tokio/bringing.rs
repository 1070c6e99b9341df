//! The task that brings the bytes of a fetch to all its readers: on demand, and a little ahead of them.

use super::filling::Filling;
use super::{CHUNK, ImageStream};
use crate::flight::{End, Progress};
use crate::sync::lock;
use bytes::Bytes;
use futures_util::stream::StreamExt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// So many bytes lie ready for the fastest reader.
const READ_AHEAD: u64 = 4 * CHUNK as u64;

/// What the task leaves to the reader whose fetch it is.
pub(super) enum Left {
    /// The source and what verifies it: the cache has failed.
    Source(ImageStream, Filling),
    /// The source's error as it was; all others get its copy.
    Error(io::Error),
}

/// Where it leaves that.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Left>>);

impl Slot {
    pub fn take(&self) -> Option<Left> {
        lock(&self.0).take()
    }

    fn put(&self, left: Left) {
        *lock(&self.0) = Some(left);
    }
}

/// Why no more bytes are brought.
enum Halt {
    /// The source has ended.
    Whole,
    Failed(io::Error),
    /// The bytes are not those that were promised; everybody knows.
    Refused,
    /// Nobody reads along any more.
    Deserted,
    CacheFailed,
}

/// Brings the bytes until the end, or until nobody wants them (`to_end`: all the same).
pub(super) async fn bring(
    mut source: ImageStream,
    mut filling: Filling,
    slot: Arc<Slot>,
    to_end: bool,
) {
    let progress = Arc::clone(filling.progress());
    let panics = Panics(&progress);
    let halt = bring_all(&mut source, &mut filling, &progress, to_end).await;
    drop(panics);
    match halt {
        // The fill tells the verdict to everybody.
        Halt::Whole => drop(filling.finish().await),
        Halt::Failed(error) => {
            let (copy, original) = (crate::flight::twin(&error), error);
            slot.put(Left::Error(original));
            filling.reject(&copy).await;
        }
        Halt::Refused | Halt::Deserted => {}
        Halt::CacheFailed => {
            if let Ok(mut filling) = filling.hand_over().await {
                let unwritten = filling.unwritten();
                slot.put(Left::Source(source, filling));
                progress.end_with(unwritten, End::CacheFailed);
            }
        }
    }
}

async fn bring_all(
    source: &mut ImageStream,
    filling: &mut Filling,
    progress: &Progress,
    to_end: bool,
) -> Halt {
    loop {
        let is_wanted = poll_fn(|context| progress.poll_demand(READ_AHEAD, context)).await;
        if !is_wanted && !to_end {
            return Halt::Deserted;
        }
        // What has come already goes first: the source may take its time.
        if progress.is_awaited() && progress.written() < filling.received() {
            if filling.flush().await.is_err() {
                return Halt::Refused;
            }
        } else {
            match next(source, progress, to_end).await {
                None => return Halt::Deserted,
                Some(None) => return Halt::Whole,
                Some(Some(Err(error))) => return Halt::Failed(error),
                Some(Some(Ok(chunk))) => {
                    if filling.push(chunk).await.is_err() {
                        return Halt::Refused;
                    }
                }
            }
        }
        if filling.has_failed() {
            return Halt::CacheFailed;
        }
    }
}

/// What the source gives next; nothing where all readers left meanwhile.
async fn next(
    source: &mut ImageStream,
    progress: &Progress,
    to_end: bool,
) -> Option<Option<io::Result<Bytes>>> {
    poll_fn(|context| {
        if let Poll::Ready(next) = source.poll_next_unpin(context) {
            return Poll::Ready(Some(next));
        }
        if to_end {
            return Poll::Pending;
        }
        progress.poll_deserted(context).map(|()| None)
    })
    .await
}

/// Tells everybody that the source panicked.
struct Panics<'a>(&'a Progress);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = io::Error::other("the source panicked");
            self.0.end(End::Failed(Arc::new(error)));
        }
    }
}
