//! A reader's state machine: where it reads an image, and where it continues after that fails.
//!
//! It never waits: its owner, a thread or a task, waits, and attaches the source if one is needed.

use super::follower::Follower;
use super::follower_poll::FollowerPoll;
use super::partial_bytes::PartialBytes;
use super::progress_info::Route;
use super::replay_check::ReplayCheck;
use super::request::Request;
use super::resolve::Resolved;
use crate::error::{Error, FetchLoss};
use crate::fill::Fill;
use crate::hits::PendingHit;
use crate::outcome::Outcome;
use crate::reading::CachedReader;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The next action of the owner.
pub(crate) enum Action {
    /// These bytes of the buffer are the next ones; the hit is counted when they are returned.
    Bytes(Range<usize>, Option<PendingHit>),
    /// The end of a complete, verified image.
    End(Outcome, Option<PendingHit>),
    /// The owner calls again at once.
    Again,
    /// The owner waits for the [follower](ReaderState::follower), and calls again.
    Wait,
    /// The owner reads from its [own source](ReaderState::own_source), and [compares](ReaderState::compare) the bytes.
    ReadSource,
    /// The owner attaches a source with the token, and calls again.
    NeedSource(SourceNeed, SourceToken),
}

/// Why a source is needed.
pub(crate) enum SourceNeed {
    /// The image must be fetched: for all readers, or only verified.
    Fetch(Box<Fill>),
    /// The fetch that this reader started continues without the cache, from the current position of its source; the byte was
    /// already read, and withheld.
    Resume(Option<u8>),
}

/// The right to attach a source once. If the owner drops it, the reader fails.
#[must_use = "without a source the reader fails"]
pub(crate) struct SourceToken(());

impl SourceToken {
    /// The reader follows a fetch that its owner has started for all readers.
    pub fn attach_shared<S>(self, state: &mut ReaderState<S>, own_fetch: Follower) {
        state.stage = Stage::Follower(own_fetch);
    }

    /// Only this reader reads this source.
    pub fn attach<S>(self, state: &mut ReaderState<S>, source: S) {
        state.stage = Stage::Source(source);
    }
}

/// A reader's state machine; `S` is the type of its own source.
///
/// The owner calls [`begin`](Self::begin), and then [`step`](Self::step) until the end or an error. After an error it must not
/// call it again. A drop before the end counts no hit.
pub(crate) struct ReaderState<S> {
    request: Request,
    stage: Stage<S>,
    replay_check: ReplayCheck,
    hit: Option<PendingHit>,
    has_source: bool,
    /// The outcome of the followed fetch, if the rest of the image is read from the cache.
    outcome: Option<Outcome>,
}

enum Stage<S> {
    Cached(CachedReader),
    Follower(Follower),
    Source(S),
    /// No source is attached yet.
    NoSource,
}

impl<S> ReaderState<S> {
    /// `has_source`: whether the owner can provide a source.
    pub fn new(request: Request, has_source: bool) -> Self {
        let replay_check = ReplayCheck::nothing(request.image_id.clone(), request.range.start);
        let (stage, hit, outcome) = (Stage::NoSource, None, None);
        ReaderState { request, stage, replay_check, hit, has_source, outcome }
    }

    /// Where it found the image when it was opened.
    pub fn route(&self) -> Route {
        self.request.route.unwrap_or(Route::Passing)
    }

    /// Bytes of the whole image, if known.
    pub fn image_size(&mut self) -> Option<u64> {
        match &mut self.stage {
            Stage::Cached(reader) => Some(reader.image_size()),
            Stage::Follower(follower) => follower.size(),
            Stage::Source(_) | Stage::NoSource => self.request.expected.size,
        }
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Looks for the image; `None` if it is not found and there is no source.
    pub fn begin(&mut self) -> Option<io::Result<Action>> {
        let resolved = self.request.resolve_again(FetchLoss::Abandoned, self.has_source)?;
        Some(self.enter(resolved, FetchLoss::Abandoned))
    }

    /// The fetch that it follows.
    pub fn follower(&mut self) -> Option<&mut Follower> {
        if let Stage::Follower(follower) = &mut self.stage { Some(follower) } else { None }
    }

    /// The source that only this reader reads.
    pub fn own_source(&mut self) -> Option<&mut S> {
        if let Stage::Source(source) = &mut self.stage { Some(source) } else { None }
    }

    /// The same source, by shared reference.
    pub fn source(&self) -> Option<&S> {
        if let Stage::Source(source) = &self.stage { Some(source) } else { None }
    }

    /// Whether it reads from the cache, where reads of whole blocks are the fastest.
    pub fn is_cached(&self) -> bool {
        matches!(self.stage, Stage::Cached(_))
    }

    /// Whether it compares bytes with those that were already returned.
    pub fn has_started_over(&self) -> bool {
        self.replay_check.is_compared()
    }

    /// Takes bytes from its own source (none means the end), and returns how many of the first ones were already returned to the
    /// reader.
    pub fn compare(&mut self, received: &[u8]) -> io::Result<usize> {
        self.replay_check.take(received)
    }

    /// Reads the available bytes.
    pub fn step(&mut self, buf: &mut [u8]) -> io::Result<Action> {
        match &mut self.stage {
            Stage::NoSource => Err(io::Error::other("its source is not available")),
            Stage::Source(_) => Ok(Action::ReadSource),
            Stage::Cached(reader) => match reader.read(buf) {
                Ok(count) => {
                    let hit = self.hit.take_if(|_| reader.is_complete());
                    let end = self.outcome.take_if(|_| count == 0);
                    self.deliver(&buf[..count], end.unwrap_or(Outcome::AlreadyCached), hit)
                }
                Err(error) => self.leave_cached(error),
            },
            Stage::Follower(follower) => match follower.read(buf)? {
                FollowerPoll::Bytes(count) => {
                    let metrics = &self.request.inner.metrics;
                    metrics.bytes_from_fetches.fetch_add(count as u64, Ordering::Relaxed);
                    let hit = self.hit.take_if(|_| follower.is_hit());
                    self.deliver(&buf[..count], Outcome::AlreadyCached, hit)
                }
                FollowerPoll::End(outcome) => {
                    let hit = self.hit.take_if(|_| follower.is_hit());
                    self.deliver(&[], outcome, hit)
                }
                FollowerPoll::Published(position, outcome) => {
                    self.go_on_in_cache(position, outcome)
                }
                FollowerPoll::Pending => Ok(Action::Wait),
                FollowerPoll::Lost(loss) => self.start_over(loss),
            },
        }
    }

    /// Without bytes, this is the end.
    fn deliver(
        &mut self,
        received: &[u8],
        end: Outcome,
        hit: Option<PendingHit>,
    ) -> io::Result<Action> {
        let known = self.replay_check.take(received)?;
        let hit = hit.map(|hit| hit.of_bytes(self.replay_check.returned()));
        Ok(match received.len() {
            0 => Action::End(end, hit),
            count if count == known => Action::Again,
            count => Action::Bytes(known..count, hit),
        })
    }

    fn enter(&mut self, resolved: Resolved, loss: FetchLoss) -> io::Result<Action> {
        let Request { inner, image_id, route, requester, .. } = &mut self.request;
        let route = *route.get_or_insert_with(|| {
            let route = resolved.route();
            inner.metrics.counters().shared += u64::from(route == Route::Shared);
            route
        });
        // Following to the end is a hit, like reading a cached image.
        self.hit =
            (route != Route::Fetching).then(|| PendingHit::of_follower(inner, image_id, requester));
        match resolved {
            Resolved::Cached(mut reader) => {
                self.hit = reader.detach_hit().filter(|_| self.hit.is_some());
                self.stage = Stage::Cached(reader);
            }
            Resolved::Running(follower) => self.stage = Stage::Follower(follower),
            Resolved::OwnFetch(fill) | Resolved::Bypass(fill) => {
                if !std::mem::take(&mut self.has_source) {
                    let image_id = image_id.clone();
                    return Err(Error::FetchLost { image_id, loss }.into());
                }
                inner.note_miss(fill.bypass_reason().is_some());
                self.hit = None;
                return Ok(self.need_source(SourceNeed::Fetch(Box::new(fill))));
            }
        }
        Ok(Action::Again)
    }

    fn need_source(&mut self, need: SourceNeed) -> Action {
        self.stage = Stage::NoSource;
        Action::NeedSource(need, SourceToken(()))
    }

    fn start_over(&mut self, loss: FetchLoss) -> io::Result<Action> {
        let Stage::Follower(follower) = &mut self.stage else { return Ok(Action::Again) };
        let from = follower.bytes()?;
        if loss == FetchLoss::CacheFailed && follower.is_own() {
            return Ok(self.need_source(SourceNeed::Resume(from.last_pending())));
        }
        self.replay_check.start_over(from);
        let resolved = self.request.resolve_again(loss, self.has_source);
        match resolved {
            Some(resolved) => self.enter(resolved, loss),
            None => {
                let image_id = self.request.image_id.clone();
                Err(Error::FetchLost { image_id, loss }.into())
            }
        }
    }

    /// The followed image is now cached: the rest is verified like any other read. If the image is no longer cached, or its
    /// digests are not available, the reader continues with its open file.
    fn go_on_in_cache(&mut self, position: u64, outcome: Outcome) -> io::Result<Action> {
        let Stage::Follower(follower) = &mut self.stage else { return Ok(Action::Again) };
        let (from, request) = (follower.bytes()?, &self.request);
        let Request { inner, image_id, range, requester, .. } = request;
        if !inner.config().verify_reads {
            return Ok(Action::Again);
        }
        match CachedReader::open(inner, image_id, position..range.end, requester) {
            Ok(Some(reader)) if from.is_of(&reader.file()?)? => {
                self.stage = Stage::Cached(reader.counting_no_hit());
                self.outcome = Some(outcome);
            }
            Ok(_) => {}
            Err(error @ Error::Corrupt { .. }) if self.has_source => {
                return self.fetch_again(from, &error.into());
            }
            Err(error @ Error::Corrupt { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(image = %image_id, %error, "the rest of the followed image is not verified again");
            }
        }
        Ok(Action::Again)
    }

    /// The cached file cannot be read: a reader with a source continues with that.
    fn leave_cached(&mut self, error: io::Error) -> io::Result<Action> {
        let Stage::Cached(reader) = &self.stage else { return Ok(Action::Again) };
        if !self.has_source || error.kind() == io::ErrorKind::Interrupted {
            return Err(error);
        }
        let from = PartialBytes::of_file(Arc::new(reader.file()?), reader.image_size());
        self.fetch_again(from, &error)
    }

    /// `from` contains the bytes that were already returned.
    fn fetch_again(&mut self, from: PartialBytes, error: &io::Error) -> io::Result<Action> {
        tracing::warn!(image = %self.request.image_id, %error, "the cached image cannot be read to its end; it is fetched");
        self.outcome = None;
        self.replay_check.start_over(from);
        self.request.distrusts_cached = true;
        let resolved = self.request.resolve();
        self.enter(resolved, FetchLoss::Abandoned)
    }
}
