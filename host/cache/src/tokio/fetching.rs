//! Reading an image from wherever it is to be had, for tokio: what [`FetchReader`](crate::FetchReader) does.

use super::alarm::Alarm;
use super::blocking::blocking;
use super::filling::{Filling, idle};
use super::off_runtime::OffRuntime;
use super::pump::{Left, Slot};
use super::read_budget::VERIFIED_CHUNK;
use super::reader::{Chunk, Chunks, ImageReader};
use super::stream::{CHUNK, ImageStream};
use super::{passing, pump};
use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::single_flight::{
    Action, Follower, LocalFollower, Producer, ReaderState, Request, Route,
};
use bytes::{Buf, Bytes};
use futures_util::stream;
use futures_util::stream::StreamExt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

/// Reads an image; without a source, only where it is cached or being fetched.
pub(super) async fn open(
    request: Request,
    source: Option<ImageStream>,
) -> Result<Option<ImageReader>> {
    let course = ReaderState::new(request, source.is_some());
    start_out(course, source).await
}

/// Reads a part of an image whose whole somebody is about to read by this route.
pub(super) async fn open_part(request: Request, route: Route) -> Result<Option<ImageReader>> {
    start_out(ReaderState::beside(request, route), None).await
}

async fn start_out(
    course: ReaderState,
    source: Option<ImageStream>,
) -> Result<Option<ImageReader>> {
    let mut way = Way { course, source, passing: None, slot: None };
    let begin = move || Ok(way.begin()?.then(|| OffRuntime::new(way)));
    Ok(blocking::<_, Error, _>(begin).await?.map(|way| {
        let (route, image_size) = (way.course.route(), way.course.image_size());
        let fetching = Fetching { way: Some(way), alarm: None, ended: false };
        let chunks: Chunks = Box::pin(stream::try_unfold(fetching, Fetching::next));
        ImageReader::of_chunks(chunks, route, image_size)
    }))
}

/// Where the reader is, which it leaves only on threads that may block: so what it begins there is begun
/// whole, whether somebody polls it or not.
struct Way {
    course: ReaderState,
    source: Option<ImageStream>,
    /// Its own source in use, past the cache or since the cache has failed.
    passing: Option<ImageStream>,
    /// Where the task that it started leaves what is its own.
    slot: Option<Arc<Slot>>,
}

impl Way {
    /// False where there is nothing to read from.
    fn begin(&mut self) -> Result<bool> {
        let cannot = Error::image("read", &self.course.request().image_id);
        let Some(turn) = self.course.begin() else { return Ok(false) };
        turn.and_then(|turn| self.go(turn)).map_err(cannot)?;
        Ok(true)
    }

    /// One attempt.
    fn turn(&mut self) -> io::Result<(Bytes, Action)> {
        let room = if self.course.is_cached() { VERIFIED_CHUNK } else { CHUNK };
        let mut buffer = self.course.request().inner.read_budget.block(room);
        let turn = self.course.turn(buffer.room()).and_then(|turn| self.go(turn));
        match turn {
            Ok(turn) => Ok((buffer.filled_up(), turn)),
            Err(error) => Err(match self.slot.take().and_then(|slot| slot.take()) {
                Some(Left::Error(original)) => original,
                _ => error,
            }),
        }
    }

    /// Does what is left to do for it, but waiting.
    fn go(&mut self, turn: Action) -> io::Result<Action> {
        match turn {
            Action::Fetch(fill) => self.start(*fill)?,
            Action::Resume(withheld) => {
                let left = self.slot.take().and_then(|slot| slot.take());
                let Some(Left::Source(source, filling)) = left else {
                    return Err(io::Error::other("its source is gone"));
                };
                self.course.resumes();
                self.pass(source, filling, withheld.map(|byte| Bytes::copy_from_slice(&[byte])));
            }
            turn => return Ok(turn),
        }
        Ok(Action::Again)
    }

    /// Starts to fetch: a task does that for all.
    fn start(&mut self, mut fill: Fill) -> io::Result<()> {
        let Some(source) = self.source.take() else {
            return Err(io::Error::other("its source is gone"));
        };
        let request = self.course.request();
        let (size, to_end) = (request.expected.size, request.inner.config.fetch_to_end);
        if fill.bypass_reason().is_some() {
            self.pass(source, Filling::of(idle(fill), size), None);
            return Ok(());
        }
        fill.keep_pending();
        let progress = Arc::clone(fill.progress());
        let first = LocalFollower::first(request, Arc::clone(&progress), None);
        self.course.fetches(first);
        let slot = Arc::new(Slot::default());
        self.slot = Some(Arc::clone(&slot));
        ::tokio::spawn(pump::bring(source, Filling::of(idle(fill), size), slot, to_end));
        progress.announce(Producer::Task);
        Ok(())
    }

    fn pass(&mut self, source: ImageStream, filling: Filling, held: Option<Bytes>) {
        self.passing = Some(passing::stream(source, filling, held));
    }
}

/// A reader on its way.
struct Fetching {
    /// None while it is worked on elsewhere.
    way: Option<OffRuntime<Way>>,
    alarm: Option<Arc<Alarm>>,
    ended: bool,
}

impl Fetching {
    async fn next(mut self) -> io::Result<Option<(Chunk, Self)>> {
        while !self.ended {
            if let Some(passing) = self.way.as_mut().and_then(|way| way.passing.as_mut()) {
                let bytes = passing.next().await.transpose()?.unwrap_or_default();
                self.ended = bytes.is_empty();
                let bytes = self.take(bytes).await?;
                if !bytes.is_empty() {
                    return Ok(Some((Chunk { bytes, hit: None }, self)));
                }
                continue;
            }
            match self.on_its_way(Way::turn).await? {
                (bytes, Action::Bytes(range, hit)) => {
                    let hit = hit.map(OffRuntime::new);
                    return Ok(Some((Chunk { bytes: bytes.slice(range), hit }, self)));
                }
                (_, Action::End(_, hit)) => {
                    self.ended = true;
                    if hit.is_some() {
                        let hit = hit.map(OffRuntime::new);
                        return Ok(Some((Chunk { bytes: Bytes::new(), hit }, self)));
                    }
                }
                (_, Action::Wait) => self.wait().await?,
                _ => {}
            }
        }
        Ok(None)
    }

    /// What of these bytes is new.
    async fn take(&mut self, mut bytes: Bytes) -> io::Result<Bytes> {
        let came = bytes.clone();
        let known = match &mut self.way {
            Some(way) if !way.course.has_started_over() => way.course.take(&came)?,
            _ => self.on_its_way(move |way| way.course.take(&came)).await?,
        };
        bytes.advance(known);
        Ok(bytes)
    }

    /// Works on a thread that may block.
    async fn on_its_way<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Way) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let Some(way) = self.way.take() else { return Err(Error::RuntimeStopped.into()) };
        let work = move || {
            let mut way = way.into_inner();
            let worked = work(&mut way);
            Ok::<_, io::Error>(OffRuntime::new((way, worked)))
        };
        let (way, worked) = blocking(work).await?.into_inner();
        self.way = Some(OffRuntime::new(way));
        worked
    }

    /// Waits until what is followed may have moved.
    async fn wait(&mut self) -> io::Result<()> {
        let is_brought_by_readers = match self.followed() {
            Some(Follower::Here(following)) => following.flight().is_some(),
            Some(Follower::There(_)) => {
                let pause = |way: &mut Way| way.course.followed().map_or(Ok(()), Follower::wait);
                return self.on_its_way(pause).await;
            }
            None => return Ok(()),
        };
        if is_brought_by_readers && self.on_its_way(|way| way.course.bring()).await? {
            return Ok(());
        }
        let alarm = self.alarm.take();
        let Some(Follower::Here(following)) = self.followed() else { return Ok(()) };
        let alarm = match following.patience() {
            Some(patience) => match alarm.filter(|alarm| !alarm.has_rung()) {
                Some(alarm) => Some(alarm),
                None => Some(Alarm::after(patience)?),
            },
            None => None,
        };
        poll_fn(|context| {
            let rings = alarm.as_ref().is_some_and(|alarm| alarm.poll(context).is_ready());
            if rings { Poll::Ready(()) } else { following.poll_moved(context) }
        })
        .await;
        self.alarm = alarm;
        Ok(())
    }

    fn followed(&mut self) -> Option<&mut Follower> {
        self.way.as_mut()?.course.followed()
    }
}
