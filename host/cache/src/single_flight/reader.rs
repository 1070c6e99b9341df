//! Reading an image from wherever it is to be had: the cache, somebody's fetch, or the source.

use super::follower::Follower;
use super::local::LocalFollower;
use super::progress_info::Route;
use super::reader_state::{Action, ReaderState};
use super::request::Request;
use super::shared_fetch::{Fetch, Lazy, SharedFetch};
use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::hits::PendingHit;
use crate::tee::CachingReader;
use image_cache_model::Outcome;
use std::io::Read;
use std::sync::Arc;
use std::{fmt, io};

/// Reads an image that is cached, being fetched, or fetched now; see
/// [`ImageCache::get_or_fetch`](crate::ImageCache::get_or_fetch).
///
/// Its end is that of a whole, verified image, and its last byte waits for the verdict. After an error it
/// stays in error. Dropped before its end it counts nothing, and disturbs no other reader.
pub struct FetchReader {
    course: ReaderState,
    fetch: Option<Fetch>,
    /// The fetch that this reader began, whose source it takes if the cache fails.
    own: Option<Arc<SharedFetch>>,
    state: State,
    image_size: Option<u64>,
}

enum State {
    Running,
    /// On its own source, past the cache or since the cache has failed.
    Source(CachingReader<Lazy>),
    Ended(Outcome),
    Failed(io::ErrorKind),
}

impl FetchReader {
    pub(crate) fn open(request: Request, fetch: Option<Fetch>) -> Result<Option<Self>> {
        let cannot = Error::image("read", &request.image_id);
        FetchReader::start_out(ReaderState::new(request, fetch.is_some()), fetch, cannot)
    }

    /// A part of an image whose whole somebody is about to read by this route.
    pub(crate) fn open_part(request: Request, route: Route) -> Result<Option<Self>> {
        let cannot = Error::image("read", &request.image_id);
        FetchReader::start_out(ReaderState::beside(request, route), None, cannot)
    }

    fn start_out(
        course: ReaderState,
        fetch: Option<Fetch>,
        cannot: impl FnOnce(io::Error) -> Error,
    ) -> Result<Option<Self>> {
        let mut reader =
            FetchReader { course, fetch, own: None, state: State::Running, image_size: None };
        let Some(turn) = reader.course.begin() else { return Ok(None) };
        turn.and_then(|turn| reader.go(turn)).map_err(cannot)?;
        reader.image_size = reader.course.image_size();
        Ok(Some(reader))
    }

    /// Where it found the image when it was opened.
    pub fn route(&self) -> Route {
        self.course.route()
    }

    /// Bytes in the whole image, where that was known when it was opened: from the cache, or from what was expected
    /// by whoever began the fetch.
    pub fn image_size(&self) -> Option<u64> {
        self.image_size
    }

    /// What became of the image in the cache, once the end was reached:
    /// [`AlreadyCached`](Outcome::AlreadyCached) where it was there, or came there by another process.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Ended(outcome) => Some(outcome),
            State::Source(reader) => reader.outcome(),
            State::Running | State::Failed(_) => None,
        }
    }

    /// One attempt; nothing where it is to be tried again.
    fn attempt(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match &mut self.state {
            State::Failed(kind) => return Err(io::Error::new(*kind, "the stream failed before")),
            State::Ended(_) => return Ok(Some(0)),
            State::Source(reader) => {
                let count = reader.read(buf)?;
                let known = self.course.take(&buf[..count])?;
                buf.copy_within(known..count, 0);
                return Ok((count == 0 || known < count).then_some(count - known));
            }
            State::Running => {}
        }
        let turn = self.course.turn(buf)?;
        if let Action::Bytes(range, hit) = turn {
            let count = range.len();
            buf.copy_within(range, 0);
            hit.into_iter().for_each(PendingHit::count);
            return Ok(Some(count));
        }
        self.go(turn).map(|()| None)
    }

    /// Does what is left to do before there are bytes.
    fn go(&mut self, turn: Action) -> io::Result<()> {
        match turn {
            Action::Bytes(..) | Action::Again => Ok(()),
            Action::Wait => self.course.followed().map_or(Ok(()), Follower::wait),
            Action::End(outcome, hit) => {
                hit.into_iter().for_each(PendingHit::count);
                self.state = State::Ended(outcome);
                Ok(())
            }
            Action::Fetch(fill) => self.start(*fill),
            Action::Resume(withheld) => {
                let source = self.own.take().and_then(|fetch| fetch.take());
                let (source, fill) =
                    source.ok_or_else(|| io::Error::other("its source is gone"))?;
                self.course.resumes();
                self.state = State::Source(CachingReader::from_here(source, fill, withheld));
                Ok(())
            }
        }
    }

    /// Starts to fetch, for all.
    fn start(&mut self, fill: Fill) -> io::Result<()> {
        let fetch = self.fetch.take().ok_or_else(|| io::Error::other("its source is gone"))?;
        if fill.bypass_reason().is_some() {
            self.state = State::Source(CachingReader::new(Lazy::new(fetch), fill));
            return Ok(());
        }
        let request = self.course.request();
        let flight = SharedFetch::start(fetch, fill, request.inner.config.fetch_to_end);
        let progress = Arc::clone(flight.progress());
        self.own = Some(Arc::clone(&flight));
        let first = LocalFollower::first(request, progress, Some(flight));
        self.course.fetches(first);
        Ok(())
    }
}

impl fmt::Debug for FetchReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchReader")
            .field("image_id", &self.course.request().image_id)
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}

impl Read for FetchReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.attempt(buf) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => {}
                Err(error) => {
                    let again = [io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock];
                    if !again.contains(&error.kind()) {
                        self.state = State::Failed(error.kind());
                    }
                    return Err(error);
                }
            }
        }
    }
}
