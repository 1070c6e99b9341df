//! A reader's way to the bytes of an image: where it reads, and where it goes on when that ends.
//!
//! It never waits and knows no source: what has to be waited for or fetched is its owner's to do, who may
//! be a thread or a task.

use super::follower::Follower;
use super::follower_poll::{FetchLoss, FollowerPoll};
use super::local::LocalFollower;
use super::partial_bytes::PartialBytes;
use super::progress_info::Route;
use super::replay_check::ReplayCheck;
use super::request::Request;
use super::resolve::Found;
use crate::error::Error;
use crate::fill::Fill;
use crate::hits::PendingHit;
use crate::reading::CachedReader;
use image_cache_model::Outcome;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// What came of one attempt to read.
pub(crate) enum Action {
    /// These bytes of the buffer are the next ones; the hit is to be counted when they are delivered.
    Bytes(Range<usize>, Option<PendingHit>),
    /// The end of a whole, verified image.
    End(Outcome, Option<PendingHit>),
    /// It is to be tried again, now.
    Again,
    /// It is to be tried again when what is [followed](ReaderState::followed) has moved.
    Wait,
    /// The image is to be fetched: for all, or only verified.
    Fetch(Box<Fill>),
    /// The fetch that this reader began is to be gone on with, from its source as it stands; the byte was read
    /// already, and withheld.
    Resume(Option<u8>),
}

/// A reader's way.
pub(crate) struct ReaderState {
    request: Request,
    stage: Stage,
    delivered: ReplayCheck,
    hit: Option<PendingHit>,
    has_source: bool,
    /// Where it found the image at first.
    route: Option<Route>,
    /// What became of the fetch that was followed, where its end is read from the cache.
    outcome: Option<Outcome>,
}

enum Stage {
    Cached(CachedReader),
    Follower(Follower),
    /// The owner reads from the source.
    Source,
}

impl ReaderState {
    /// With or without a source to fall back on.
    pub fn new(request: Request, has_source: bool) -> Self {
        let delivered = ReplayCheck::nothing(request.image_id.clone(), request.range.start);
        let (stage, hit, route, outcome) = (Stage::Source, None, None, None);
        ReaderState { request, stage, delivered, hit, has_source, route, outcome }
    }

    /// To a part of an image to which there is a way already.
    pub fn beside(request: Request, route: Route) -> Self {
        ReaderState { route: Some(route), ..ReaderState::new(request, false) }
    }

    /// Where it found the image at first.
    pub fn route(&self) -> Route {
        self.route.unwrap_or(Route::Passing)
    }

    /// Bytes in the whole image, where that is known.
    pub fn image_size(&self) -> Option<u64> {
        match &self.stage {
            Stage::Cached(reader) => Some(reader.image_size()),
            Stage::Follower(follow) => follow.size(),
            Stage::Source => self.request.expected.size,
        }
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Looks for the image; nothing where there is none, and no source.
    pub fn begin(&mut self) -> Option<io::Result<Action>> {
        let found = self.request.find_again(FetchLoss::Abandoned, self.has_source)?;
        Some(self.enter(found, FetchLoss::Abandoned))
    }

    /// The owner fetches the image for all: it reads along with its own fetch.
    pub fn fetches(&mut self, first: LocalFollower) {
        self.stage = Stage::Follower(Follower::Here(first));
    }

    /// What is followed.
    pub fn followed(&mut self) -> Option<&mut Follower> {
        match &mut self.stage {
            Stage::Follower(follow) => Some(follow),
            Stage::Cached(_) | Stage::Source => None,
        }
    }

    /// Whether it reads from the cache, where whole blocks are read with the least trouble.
    #[cfg(feature = "tokio")]
    pub fn is_cached(&self) -> bool {
        matches!(self.stage, Stage::Cached(_))
    }

    /// Whether what comes is compared with what was handed out.
    #[cfg(feature = "tokio")]
    pub fn has_started_over(&self) -> bool {
        self.delivered.is_compared()
    }

    /// See [`LocalFollower::bring`].
    #[cfg(feature = "tokio")]
    pub fn bring(&self) -> io::Result<bool> {
        match &self.stage {
            Stage::Follower(Follower::Here(following)) => following.bring(),
            _ => Ok(false),
        }
    }

    /// Takes what came (from the source, where the owner reads that; nothing is the end) and answers how
    /// many of its first bytes are known already.
    pub fn take(&mut self, came: &[u8]) -> io::Result<usize> {
        self.delivered.take(came)
    }

    /// Reads what there is.
    pub fn turn(&mut self, buf: &mut [u8]) -> io::Result<Action> {
        match &mut self.stage {
            Stage::Source => Ok(Action::Again),
            Stage::Cached(reader) => match reader.read(buf) {
                Ok(count) => {
                    let hit = self.hit.take_if(|_| reader.is_complete());
                    let end = self.outcome.take_if(|_| count == 0);
                    self.came(&buf[..count], end.unwrap_or(Outcome::AlreadyCached), hit)
                }
                Err(error) => self.leave_cached(error),
            },
            Stage::Follower(follow) => match follow.step(buf)? {
                FollowerPoll::Bytes(count) => {
                    self.request.inner.metrics.bytes_from_fetches.add(count as u64);
                    let hit = self.hit.take_if(|_| follow.is_hit());
                    self.came(&buf[..count], Outcome::AlreadyCached, hit)
                }
                FollowerPoll::End(outcome) => {
                    let hit = self.hit.take_if(|_| follow.is_hit());
                    self.came(&[], outcome, hit)
                }
                FollowerPoll::Published(position, outcome) => {
                    self.go_on_in_cache(position, outcome)
                }
                FollowerPoll::Pending => Ok(Action::Wait),
                FollowerPoll::Lost(lost) => self.start_over(lost),
            },
        }
    }

    /// No bytes are the end.
    fn came(&mut self, came: &[u8], end: Outcome, hit: Option<PendingHit>) -> io::Result<Action> {
        let known = self.delivered.take(came)?;
        Ok(match came.len() {
            0 => Action::End(end, hit),
            count if count == known => Action::Again,
            count => Action::Bytes(known..count, hit),
        })
    }

    fn enter(&mut self, found: Found, lost: FetchLoss) -> io::Result<Action> {
        let Request { inner, image_id, .. } = &self.request;
        let route = *self.route.get_or_insert_with(|| {
            let route = found.route();
            if route == Route::Shared {
                inner.metrics.shared.inc();
            }
            route
        });
        // To read along to the end is a hit, as to read a cached image.
        self.hit = (route != Route::Fetching).then(|| PendingHit::new(inner, image_id));
        match found {
            Found::Cached(mut reader) => {
                self.hit = reader.detach_hit().filter(|_| self.hit.is_some());
                self.stage = Stage::Cached(reader);
            }
            Found::Running(follow) => self.stage = Stage::Follower(follow),
            Found::Ours(fill) | Found::Past(fill) => {
                if !std::mem::take(&mut self.has_source) {
                    return Err(lost.error(image_id));
                }
                inner.note_miss(fill.bypass_reason().is_some());
                self.hit = None;
                self.stage = Stage::Source;
                return Ok(Action::Fetch(Box::new(fill)));
            }
        }
        Ok(Action::Again)
    }

    fn start_over(&mut self, lost: FetchLoss) -> io::Result<Action> {
        let Stage::Follower(follow) = &self.stage else { return Ok(Action::Again) };
        if lost == FetchLoss::CacheFailed && follow.is_first() {
            let withheld = follow.bytes()?.last_pending();
            return Ok(Action::Resume(withheld));
        }
        self.delivered.start_over(follow.bytes()?);
        let found = self.request.find_again(lost, self.has_source);
        let found = found.ok_or_else(|| lost.error(&self.request.image_id))?;
        self.enter(found, lost)
    }

    /// The owner goes on with its source: nothing is followed any more.
    pub fn resumes(&mut self) {
        self.stage = Stage::Source;
    }

    /// What was followed is a cached image now: what this reader has not read yet is verified like any other read. It
    /// reads on in the file that it has where that has left the cache already, or nobody can say what it should be.
    fn go_on_in_cache(&mut self, position: u64, outcome: Outcome) -> io::Result<Action> {
        let Stage::Follower(follow) = &self.stage else { return Ok(Action::Again) };
        let (from, Request { inner, image_id, range, .. }) = (follow.bytes()?, &self.request);
        if !inner.config.verify_reads {
            return Ok(Action::Again);
        }
        match CachedReader::open(inner, image_id, Some(position..range.end)) {
            Ok(Some(reader)) if from.is_of(&reader.file()?)? => {
                self.stage = Stage::Cached(reader.reading_along());
                self.outcome = Some(outcome);
            }
            Ok(_) => {}
            Err(error @ Error::Corrupt { .. }) if self.has_source => {
                return self.fetch_again(from, &error.into());
            }
            Err(error @ Error::Corrupt { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(image = %image_id, %error, "what is read along is not verified again");
            }
        }
        Ok(Action::Again)
    }

    /// The cached file fails its reader: whoever has a source goes on with that.
    fn leave_cached(&mut self, error: io::Error) -> io::Result<Action> {
        let Stage::Cached(reader) = &self.stage else { return Ok(Action::Again) };
        if !self.has_source || error.kind() == io::ErrorKind::Interrupted {
            return Err(error);
        }
        let from = PartialBytes::of_file(Arc::new(reader.file()?), reader.image_size());
        self.fetch_again(from, &error)
    }

    /// What was handed out stands in `from`.
    fn fetch_again(&mut self, from: PartialBytes, error: &io::Error) -> io::Result<Action> {
        tracing::warn!(image = %self.request.image_id, %error, "the cached image cannot be read to its end; it is fetched");
        self.outcome = None;
        self.delivered.start_over(from);
        self.request.distrusts_cached = true;
        let found = self.request.find();
        self.enter(found, FetchLoss::Abandoned)
    }
}
