//! Reading along with a fetch of this process: what has been written so far, and then its end.

use super::follower_poll::{FetchLoss, FollowerPoll};
use super::patience::Patience;
use super::progress::{Completed, End, Producer, Progress, SharedSource};
use super::request::Request;
use crate::error::{check_promises, clone_io_error};
use image_cache_model::{Expected, ImageId, Outcome};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Reads along with a fetch of this process.
pub(crate) struct LocalFollower {
    pub(super) progress: Arc<Progress>,
    /// The source, where it belongs to all.
    flight: Option<Arc<dyn SharedSource>>,
    image_id: ImageId,
    pub(super) expected: Expected,
    /// Whether this reader's fetch it is: it alone may go on with the source when the cache fails.
    pub(super) filling: bool,
    /// Where it reads next, and up to where.
    position: u64,
    end: u64,
    patience: Option<Patience>,
    /// Bytes that had come when it last looked.
    seen: u64,
    /// Whether a task brings the bytes, which needs its runtime: that may have stopped, or wait for this
    /// very thread.
    #[cfg(feature = "tokio")]
    by_task: bool,
    /// Its size, and whether it is cached, once it was verified.
    whole: Option<(u64, bool)>,
}

impl LocalFollower {
    /// Joins a fetch; nothing where it is just going away.
    pub fn join(
        request: &Request,
        (progress, drive): (Arc<Progress>, Producer),
    ) -> Option<LocalFollower> {
        let patience = Some(Patience::new(request.inner.config.other_writer_patience));
        let flight = match &drive {
            Producer::AnyReader(flight) => Some(flight.upgrade()?),
            _ => None,
        };
        let mut following = LocalFollower::new(request, progress);
        following.patience = patience.filter(|_| flight.is_none());
        following.flight = flight;
        #[cfg(feature = "tokio")]
        {
            following.by_task = matches!(drive, Producer::Task);
        }
        Some(following)
    }

    /// The reader whose fetch it is: it waits as long as its source takes.
    pub fn first(
        request: &Request,
        progress: Arc<Progress>,
        flight: Option<Arc<dyn SharedSource>>,
    ) -> LocalFollower {
        let mut following = LocalFollower::new(request, progress);
        following.filling = true;
        following.flight = flight;
        following
    }

    fn new(request: &Request, progress: Arc<Progress>) -> LocalFollower {
        progress.join();
        LocalFollower {
            progress,
            flight: None,
            image_id: request.image_id.clone(),
            expected: request.expected.clone(),
            filling: false,
            position: request.range.start,
            end: request.range.end,
            patience: None,
            seen: 0,
            #[cfg(feature = "tokio")]
            by_task: false,
            whole: None,
        }
    }

    /// The source, where it belongs to all.
    pub fn flight(&self) -> Option<&Arc<dyn SharedSource>> {
        self.flight.as_ref()
    }

    pub fn is_hit(&self) -> bool {
        self.whole.is_some_and(|(size, cached)| cached && self.position >= size.min(self.end))
    }

    pub fn step(&mut self, buf: &mut [u8]) -> io::Result<FollowerPoll> {
        let view = self.progress.view()?;
        if view.bytes.len() > std::mem::replace(&mut self.seen, view.bytes.len()) {
            self.patience.iter_mut().for_each(Patience::renew);
        }
        // A part has its bytes, whatever becomes of the others.
        if self.position >= self.end && !matches!(view.end, Some(End::Whole(_))) {
            return Ok(FollowerPoll::End(Outcome::BeingCached));
        }
        let limit = match &view.end {
            Some(End::Failed(error)) => return Err(clone_io_error(error)),
            Some(End::Whole(flown)) => {
                let size = view.bytes.len();
                if self.judge(flown, size)? && self.position < size.min(self.end) {
                    return Ok(FollowerPoll::Published(self.position, flown.outcome.clone()));
                }
                size
            }
            Some(End::Abandoned | End::NotStarted) => {
                return Ok(FollowerPoll::Lost(FetchLoss::Abandoned));
            }
            // Whoever goes on with the source reads to where it stands; the others need not.
            Some(End::CacheFailed) if !self.filling => {
                return Ok(FollowerPoll::Lost(FetchLoss::CacheFailed));
            }
            Some(End::CacheFailed) | None => view.bytes.len().saturating_sub(1),
        };
        let limit = limit.min(self.end);
        if self.position < limit {
            let room = usize::try_from(limit - self.position).unwrap_or(usize::MAX).min(buf.len());
            let count = view.bytes.read_at(&mut buf[..room], self.position)?;
            self.position += count as u64;
            return Ok(FollowerPoll::Bytes(count));
        }
        Ok(match view.end {
            Some(End::Whole(flown)) => FollowerPoll::End(flown.outcome),
            Some(_) => FollowerPoll::Lost(FetchLoss::CacheFailed),
            // Flushing a large image to disk takes its time.
            None if view.judged => FollowerPoll::Pending,
            None if self.is_to_give_up(view.is_stuck) => self.give_up(),
            None => FollowerPoll::Pending,
        })
    }

    fn is_to_give_up(&mut self, is_known_stuck: bool) -> bool {
        self.patience.as_mut().is_some_and(|patience| is_known_stuck || patience.is_over())
    }

    /// A task that is alive only waits for its source.
    fn give_up(&mut self) -> FollowerPoll {
        #[cfg(feature = "tokio")]
        if self.by_task && self.progress.ping() {
            self.patience.iter_mut().for_each(Patience::renew);
            return FollowerPoll::Pending;
        }
        self.progress.remember_stuck();
        FollowerPoll::Lost(FetchLoss::Stuck)
    }

    /// What the fetch was held against need not be what this reader was promised. True once, where it is cached.
    fn judge(&mut self, flown: &Completed, size: u64) -> io::Result<bool> {
        let cached = matches!(flown.outcome, Outcome::Cached(_) | Outcome::AlreadyCached);
        if self.whole.replace((size, cached)).is_some() {
            return Ok(false);
        }
        let digest = flown.digest.as_ref();
        check_promises(&self.expected, &self.image_id, size, digest).map_err(io::Error::from)?;
        Ok(cached)
    }

    pub fn wait(&mut self) -> io::Result<()> {
        match &self.flight {
            Some(flight) => flight.fetch_next(self.position),
            None => {
                self.progress.wait(self.position, self.patience.as_ref().map(Patience::left));
                Ok(())
            }
        }
    }
}

#[cfg(feature = "tokio")]
impl LocalFollower {
    /// Whether there may be something to do.
    pub fn poll_moved(&self, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        let look = || self.flight.as_ref().is_some_and(|flight| flight.is_idle());
        self.progress.poll_moved(self.position, look, context)
    }

    /// How long to wait at most.
    pub fn patience(&self) -> Option<Duration> {
        self.patience.as_ref().map(Patience::left)
    }

    /// Brings the next bytes where that is left to readers and nobody does; whether there may be some now.
    pub fn bring(&self) -> io::Result<bool> {
        self.flight.as_ref().map_or(Ok(false), |flight| flight.try_fetch_next(self.position))
    }
}

impl Drop for LocalFollower {
    fn drop(&mut self) {
        let left = self.progress.leave();
        if let Some(flight) = self.flight.take().filter(|_| left == 0) {
            flight.fetch_rest_detached();
        }
    }
}
