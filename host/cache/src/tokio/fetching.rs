//! Reads an image from the cache, a running fetch or the source: [`FetchReader`](crate::FetchReader) for tokio.

use super::background_fill::{BackgroundFill, idle};
use super::blocking::blocking;
use super::off_runtime::OffRuntime;
use super::pump::{Takeover, TakeoverSlot};
use super::read_budget::VERIFIED_CHUNK;
use super::reader::{Chunk, ChunkStream, ImageReader};
use super::stream::{CHUNK, ImageStream};
use super::timer::Timer;
use super::{pump, tee_stream};
use crate::error::{Error, Result};
use crate::single_flight::{
    Action, Follower, Producer, ReaderState, Request, SourceNeed, SourceToken,
};
use bytes::{Buf, Bytes};
use futures_util::stream;
use futures_util::stream::StreamExt;
use image_cache_store::sync::lock;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

/// Reads an image; without a source, only if it is cached or being fetched.
pub(super) async fn open(
    request: Request,
    source: Option<ImageStream>,
) -> Result<Option<ImageReader>> {
    let state = ReaderState::new(request, source.is_some());
    let mut blocking_part = BlockingPart { state, source, takeover: None };
    let begin = move || {
        let size = blocking_part.begin()?;
        Ok(size.map(|size| OffRuntime::new((blocking_part, size))))
    };
    Ok(blocking::<_, Error, _>(begin).await?.map(|begun| {
        let (part, image_size) = begun.into_inner();
        let route = part.state.route();
        let fetching = Fetching { part: Some(OffRuntime::new(part)), timer: None, ended: false };
        let chunks: ChunkStream = Box::pin(stream::try_unfold(fetching, Fetching::next));
        ImageReader::of_chunks(chunks, route, image_size)
    }))
}

/// The part of a reader that may block. It is used only on blocking threads. There each step completes even if the reader is no
/// longer polled.
struct BlockingPart {
    state: ReaderState<ImageStream>,
    source: Option<ImageStream>,
    /// Where the task that it started leaves the source or error for this reader.
    takeover: Option<Arc<TakeoverSlot>>,
}

impl BlockingPart {
    /// Bytes of the whole image, if known; the outer `None` if there is nothing to read from.
    fn begin(&mut self) -> Result<Option<Option<u64>>> {
        let image_id = self.state.request().image_id.clone();
        let Some(action) = self.state.begin() else { return Ok(None) };
        let acted = action.and_then(|action| self.act(action));
        acted.map_err(|error| Error::of_reader(&image_id, error))?;
        Ok(Some(self.state.image_size()))
    }

    /// One step of the reader.
    fn step(&mut self) -> io::Result<(Bytes, Action)> {
        let room = if self.state.is_cached() { VERIFIED_CHUNK } else { CHUNK };
        let mut buffer = self.state.request().inner.read_budget.block(room);
        let action = self.state.step(buffer.room()).and_then(|action| self.act(action));
        match action {
            Ok(action) => Ok((buffer.filled_up(), action)),
            Err(error) => Err(match self.take_left() {
                Some(Takeover::Error(original)) => original,
                _ => error,
            }),
        }
    }

    /// Takes what the task that it started has left.
    fn take_left(&mut self) -> Option<Takeover> {
        lock(&*self.takeover.take()?).take()
    }

    /// Attaches the source if one is needed; the task handles all other actions.
    fn act(&mut self, action: Action) -> io::Result<Action> {
        let Action::NeedSource(need, token) = action else { return Ok(action) };
        self.attach_source(need, token)?;
        Ok(Action::Again)
    }

    fn attach_source(&mut self, need: SourceNeed, token: SourceToken) -> io::Result<()> {
        let gone = || io::Error::other("its source is not available");
        let mut fill = match need {
            SourceNeed::Fetch(fill) => *fill,
            SourceNeed::Resume(withheld) => {
                let left = self.take_left();
                let Some(Takeover::Source(source, filling)) = left else { return Err(gone()) };
                let last = withheld.map(|byte| Bytes::copy_from_slice(&[byte]));
                token.attach(&mut self.state, tee_stream::tee(source, filling, last));
                return Ok(());
            }
        };
        let source = self.source.take().ok_or_else(gone)?;
        let request = self.state.request();
        let (size, to_end) = (request.expected.size, request.inner.config().fetch_to_end);
        if fill.bypass_reason().is_some() {
            let source = tee_stream::tee(source, BackgroundFill::of(idle(fill), size), None);
            token.attach(&mut self.state, source);
            return Ok(());
        }
        fill.keep_pending();
        let progress = Arc::clone(fill.progress());
        let follower = Follower::of_own(request, Arc::clone(&progress), None);
        token.attach_shared(&mut self.state, follower);
        let takeover = Arc::new(TakeoverSlot::default());
        self.takeover = Some(Arc::clone(&takeover));
        let filling = BackgroundFill::of(idle(fill), size);
        ::tokio::spawn(pump::run(source, filling, takeover, to_end));
        progress.publish_producer(Producer::Task);
        Ok(())
    }
}

/// The asynchronous part of a reader.
struct Fetching {
    /// `None` while a thread has it.
    part: Option<OffRuntime<BlockingPart>>,
    timer: Option<Arc<Timer>>,
    ended: bool,
}

impl Fetching {
    async fn next(mut self) -> io::Result<Option<(Chunk, Self)>> {
        while !self.ended {
            let own_source = self.part.as_mut().and_then(|part| part.state.own_source());
            if let Some(source) = own_source {
                let bytes = source.next().await.transpose()?.unwrap_or_default();
                self.ended = bytes.is_empty();
                let bytes = self.compare(bytes).await?;
                if !bytes.is_empty() {
                    return Ok(Some((Chunk { bytes, hit: None }, self)));
                }
                continue;
            }
            match self.block_on(BlockingPart::step).await? {
                (bytes, Action::Bytes(range, hit)) => {
                    let hit = hit.map(OffRuntime::new);
                    return Ok(Some((Chunk { bytes: bytes.slice(range), hit }, self)));
                }
                (_, Action::End(_, hit)) => {
                    self.ended = true;
                    if let Some(hit) = hit.map(OffRuntime::new).map(Some) {
                        return Ok(Some((Chunk { bytes: Bytes::new(), hit }, self)));
                    }
                }
                (_, Action::Wait) => self.wait().await?,
                (_, Action::Again | Action::ReadSource | Action::NeedSource(..)) => {}
            }
        }
        Ok(None)
    }

    /// Returns the new bytes.
    async fn compare(&mut self, mut bytes: Bytes) -> io::Result<Bytes> {
        let received = bytes.clone();
        let known = match &mut self.part {
            Some(part) if !part.state.has_started_over() => part.state.compare(&received)?,
            _ => self.block_on(move |part| part.state.compare(&received)).await?,
        };
        bytes.advance(known);
        Ok(bytes)
    }

    /// Runs `work` on a blocking thread.
    async fn block_on<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut BlockingPart) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let Some(part) = self.part.take() else { return Err(Error::RuntimeStopped.into()) };
        let work = move || {
            let mut part = part.into_inner();
            let worked = work(&mut part);
            Ok::<_, io::Error>(OffRuntime::new((part, worked)))
        };
        let (part, worked) = blocking(work).await?.into_inner();
        self.part = Some(OffRuntime::new(part));
        worked
    }

    /// Waits until the followed fetch may have bytes.
    async fn wait(&mut self) -> io::Result<()> {
        let Some(follower) = self.follower() else { return Ok(()) };
        if !follower.is_local() {
            let wait =
                |part: &mut BlockingPart| part.state.follower().map_or(Ok(()), Follower::wait);
            return self.block_on(wait).await;
        }
        if follower.is_fetched_by_readers() {
            let fetch = |part: &mut BlockingPart| {
                part.state.follower().map_or(Ok(false), |follower| follower.try_fetch_next())
            };
            if self.block_on(fetch).await? {
                return Ok(());
            }
        }
        let timer = self.timer.take();
        let Some(follower) = self.follower() else { return Ok(()) };
        let timer = match follower.patience() {
            Some(patience) => match timer.filter(|timer| !timer.has_fired()) {
                Some(timer) => Some(timer),
                None => Some(Timer::after(patience)?),
            },
            None => None,
        };
        poll_fn(|context| {
            let has_fired = timer.as_ref().is_some_and(|timer| timer.poll(context).is_ready());
            if has_fired { Poll::Ready(Ok(())) } else { follower.poll_moved(context) }
        })
        .await?;
        self.timer = timer;
        Ok(())
    }

    fn follower(&mut self) -> Option<&mut Follower> {
        self.part.as_mut()?.state.follower()
    }
}
