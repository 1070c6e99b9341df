//! Reading an image from wherever it is to be had, for tokio: what [`FetchReader`](crate::FetchReader) does.

use super::alarm::Alarm;
use super::bringing::{self, Left, Slot};
use super::filling::Filling;
use super::off_runtime::OffRuntime;
use super::reader::{Chunk, Chunks};
use super::{CHUNK, ImageReader, ImageStream, Passing, blocking};
use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::flight::{Course, Drive, Follow, Following, Request, Turn};
use bytes::{Buf, Bytes};
use futures_util::stream::{self, StreamExt};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

/// Reads an image; without a source, only where it is cached or being fetched.
pub(super) async fn open(
    request: Request,
    source: Option<ImageStream>,
) -> Result<Option<ImageReader>> {
    let cannot = Error::image("read", &request.image_id);
    let mut course = Course::new(request, source.is_some());
    let (course, turn) = blocking(move || {
        let turn = course.begin();
        Ok::<_, Error>((course, turn))
    })
    .await?;
    let Some(turn) = turn else { return Ok(None) };
    let mut fetching = Fetching {
        course: OffRuntime::new(course),
        source,
        passing: None,
        slot: None,
        alarm: None,
        ended: false,
    };
    match turn {
        Ok(turn) => fetching.go(turn).await.map_err(cannot)?,
        Err(error) => return Err(cannot(error)),
    }
    let chunks: Chunks = Box::pin(stream::try_unfold(fetching, Fetching::next));
    Ok(Some(ImageReader::of_chunks(chunks)))
}

struct Fetching {
    course: OffRuntime<Course>,
    source: Option<ImageStream>,
    /// Its own source in use, past the cache or since the cache has failed.
    passing: Option<ImageStream>,
    /// Where the task that it started leaves what is its own.
    slot: Option<Arc<Slot>>,
    alarm: Option<Arc<Alarm>>,
    ended: bool,
}

impl Fetching {
    async fn next(mut self) -> io::Result<Option<(Chunk, Self)>> {
        while !self.ended {
            if let Some(passing) = &mut self.passing {
                let bytes = passing.next().await.transpose()?.unwrap_or_default();
                self.ended = bytes.is_empty();
                let new = self.take(bytes).await?;
                if !new.is_empty() {
                    return Ok(Some((Chunk { bytes: new, hit: None }, self)));
                }
                continue;
            }
            let (bytes, turn) = self.turn().await?;
            match turn {
                Turn::Bytes(range, hit) => {
                    return Ok(Some((Chunk { bytes: bytes.slice(range), hit }, self)));
                }
                Turn::End(_, hit) => {
                    self.ended = true;
                    if hit.is_some() {
                        return Ok(Some((Chunk { bytes: Bytes::new(), hit }, self)));
                    }
                }
                turn => self.go(turn).await?,
            }
        }
        Ok(None)
    }

    /// One attempt, on a thread that may block.
    async fn turn(&mut self) -> io::Result<(Bytes, Turn)> {
        let turned = self
            .with_course(|course| {
                let mut buf = vec![0; CHUNK];
                let turn = course.turn(&mut buf)?;
                Ok((buf.into(), turn))
            })
            .await;
        turned.map_err(|error| match self.slot.take().and_then(|slot| slot.take()) {
            Some(Left::Error(original)) => original,
            _ => error,
        })
    }

    /// What of these bytes is new.
    async fn take(&mut self, mut bytes: Bytes) -> io::Result<Bytes> {
        let came = bytes.clone();
        let known = match self.course.get_mut() {
            Some(course) if !course.has_started_over() => course.take(&came)?,
            _ => self.with_course(move |course| course.take(&came)).await?,
        };
        bytes.advance(known);
        Ok(bytes)
    }

    async fn with_course<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Course) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let Some(mut course) = self.course.take() else {
            return Err(Error::RuntimeStopped.into());
        };
        let (course, worked) = blocking(move || {
            let worked = work(&mut course);
            Ok::<_, io::Error>((course, worked))
        })
        .await?;
        self.course = OffRuntime::new(course);
        worked
    }

    /// Does what is left to do before there are bytes.
    async fn go(&mut self, turn: Turn) -> io::Result<()> {
        match turn {
            Turn::Bytes(..) | Turn::End(..) | Turn::Again => Ok(()),
            Turn::Wait => self.wait().await,
            Turn::Fetch(fill) => self.start(*fill),
            Turn::Resume(withheld) => {
                let left = self.slot.take().and_then(|slot| slot.take());
                let Some(Left::Source(source, filling)) = left else {
                    return Err(io::Error::other("its source is gone"));
                };
                let held = withheld.map(|byte| Bytes::copy_from_slice(&[byte]));
                self.course.get_mut().into_iter().for_each(Course::resumes);
                self.pass(source, filling, held);
                Ok(())
            }
        }
    }

    fn pass(&mut self, source: ImageStream, filling: Filling, held: Option<Bytes>) {
        let passing = Passing { source: Box::pin(source), filling: Some(filling), held };
        self.passing = Some(Box::pin(stream::try_unfold(passing, Passing::next)));
    }

    /// Starts to fetch: a task does that for all.
    fn start(&mut self, mut fill: Fill) -> io::Result<()> {
        let (Some(source), Some(course)) = (self.source.take(), self.course.get_mut()) else {
            return Err(io::Error::other("its source is gone"));
        };
        let (size, to_end) = {
            let request = course.request();
            (request.expected.size, request.shared.config.fetch_to_end)
        };
        if fill.futile().is_some() {
            self.pass(source, Filling::of(fill, size), None);
            return Ok(());
        }
        fill.keep_unwritten();
        let progress = Arc::clone(fill.progress());
        course.fetches(Following::first(course.request(), Arc::clone(&progress), None));
        progress.announce(Drive::Task);
        let slot = Arc::new(Slot::default());
        self.slot = Some(Arc::clone(&slot));
        ::tokio::spawn(bringing::bring(source, Filling::of(fill, size), slot, to_end));
        Ok(())
    }

    /// Waits until what is followed may have moved.
    async fn wait(&mut self) -> io::Result<()> {
        let is_brought_by_readers = match self.course.get_mut().and_then(Course::followed) {
            Some(Follow::Here(following)) => {
                following.trust_task();
                following.flight().is_some()
            }
            Some(Follow::There(_)) => {
                return self
                    .with_course(|course| course.followed().map_or(Ok(()), Follow::wait))
                    .await;
            }
            None => return Ok(()),
        };
        if is_brought_by_readers && self.with_course(|course| course.bring()).await? {
            return Ok(());
        }
        let Some(Follow::Here(following)) = self.course.get_mut().and_then(Course::followed) else {
            return Ok(());
        };
        if let Some(patience) = following.patience()
            && self.alarm.as_ref().is_none_or(|alarm| alarm.has_rung())
        {
            self.alarm = Some(Alarm::after(patience)?);
        }
        let alarm = self.alarm.as_ref().filter(|_| following.patience().is_some());
        poll_fn(|context| {
            if alarm.is_some_and(|alarm| alarm.poll(context).is_ready()) {
                return std::task::Poll::Ready(());
            }
            following.poll_moved(context)
        })
        .await;
        Ok(())
    }
}
