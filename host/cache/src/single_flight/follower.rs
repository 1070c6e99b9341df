//! Reading along with a fetch: what has been written so far, and then its end.

use super::clone_io_error;
use super::external::ExternalFollower;
use super::partial_bytes::PartialBytes;
use super::progress::{Completed, End, Producer, Progress};
use super::resolve::Request;
use super::shared_fetch::SharedFetch;
use crate::error::check_promises;
use image_cache_model::{Expected, ImageId, Outcome};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What there is to do next for a reader that follows.
#[derive(Debug)]
pub(crate) enum Step {
    /// So many bytes were read, the next ones of the image.
    Bytes(usize),
    /// The image is cached, and this is where the reader stands in it. Told once, where there is more to read.
    Published(u64, Outcome),
    /// The image is whole and verified, and has been read to its end.
    End(Outcome),
    /// There is nothing to read yet.
    Wait,
    /// There will be nothing more to read here.
    Lost(Lost),
}

/// Why there is nothing more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Whoever brought the bytes went away.
    Abandoned,
    /// The cache failed; the source is sound.
    CacheFailed,
    /// Nothing came for too long.
    Stuck,
}

impl Lost {
    /// The error of a reader that has no way to go on.
    pub fn error(self, id: &ImageId) -> io::Error {
        let (kind, why) = match self {
            Lost::Abandoned => (io::ErrorKind::ConnectionAborted, "its fetch was broken off"),
            Lost::CacheFailed => (io::ErrorKind::Other, "the cache failed while it was fetched"),
            Lost::Stuck => {
                (io::ErrorKind::TimedOut, "nothing has come from its writer for too long")
            }
        };
        let words = format!(
            "image {id}: {why}, and this reader has no source of its own; read it again, with a fetch function"
        );
        io::Error::new(kind, words)
    }
}

/// A fetch that is followed, in this process or in another.
pub(crate) enum Follower {
    Here(LocalFollower),
    There(ExternalFollower),
}

impl Follower {
    /// Reads what there is, without waiting.
    pub fn step(&mut self, buf: &mut [u8]) -> io::Result<Step> {
        match self {
            Follower::Here(following) => following.step(buf),
            Follower::There(elsewhere) => elsewhere.step(buf),
        }
    }

    /// Whether the last byte of an image that is cached now has been read.
    pub fn is_hit(&self) -> bool {
        match self {
            Follower::Here(following) => following.is_hit(),
            Follower::There(elsewhere) => elsewhere.is_complete(),
        }
    }

    /// Whether it is the fetch that this reader began.
    pub fn is_first(&self) -> bool {
        matches!(self, Follower::Here(following) if following.filling)
    }

    /// The source, where it belongs to all.
    pub fn flight(&self) -> Option<&Arc<SharedFetch>> {
        match self {
            Follower::Here(following) => following.flight(),
            Follower::There(_) => None,
        }
    }

    /// Bytes that the image has in all, where that is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Follower::Here(following) => following.progress.size().or(following.expected.size),
            Follower::There(elsewhere) => elsewhere.size(),
        }
    }

    /// What was read from.
    pub fn bytes(&self) -> io::Result<PartialBytes> {
        match self {
            Follower::Here(following) => Ok(following.progress.view()?.bytes),
            Follower::There(elsewhere) => Ok(elsewhere.bytes()),
        }
    }

    /// Waits on this thread until there may be something, and brings it where that is the reader's to do.
    pub fn wait(&mut self) -> io::Result<()> {
        match self {
            Follower::Here(following) => following.wait(),
            Follower::There(elsewhere) => {
                std::thread::sleep(elsewhere.pause());
                Ok(())
            }
        }
    }
}

/// Reads along with a fetch of this process.
pub(crate) struct LocalFollower {
    progress: Arc<Progress>,
    /// The source, where it belongs to all.
    flight: Option<Arc<SharedFetch>>,
    image_id: ImageId,
    expected: Expected,
    /// Whether this reader's fetch it is: it alone may go on with the source when the cache fails.
    filling: bool,
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
            Producer::SharedFetch(flight) => Some(flight.upgrade()?),
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
        flight: Option<Arc<SharedFetch>>,
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
    pub fn flight(&self) -> Option<&Arc<SharedFetch>> {
        self.flight.as_ref()
    }

    fn is_hit(&self) -> bool {
        self.whole.is_some_and(|(size, cached)| cached && self.position >= size.min(self.end))
    }

    pub fn step(&mut self, buf: &mut [u8]) -> io::Result<Step> {
        let view = self.progress.view()?;
        if view.bytes.len() > std::mem::replace(&mut self.seen, view.bytes.len()) {
            self.patience.iter_mut().for_each(Patience::renew);
        }
        // A part has its bytes, whatever becomes of the others.
        if self.position >= self.end && !matches!(view.end, Some(End::Whole(_))) {
            return Ok(Step::End(Outcome::BeingCached));
        }
        let limit = match &view.end {
            Some(End::Failed(error)) => return Err(clone_io_error(error)),
            Some(End::Whole(flown)) => {
                let size = view.bytes.len();
                if self.judge(flown, size)? && self.position < size.min(self.end) {
                    return Ok(Step::Published(self.position, flown.outcome.clone()));
                }
                size
            }
            Some(End::Abandoned | End::NotStarted) => return Ok(Step::Lost(Lost::Abandoned)),
            // Whoever goes on with the source reads to where it stands; the others need not.
            Some(End::CacheFailed) if !self.filling => return Ok(Step::Lost(Lost::CacheFailed)),
            Some(End::CacheFailed) | None => view.bytes.len().saturating_sub(1),
        };
        let limit = limit.min(self.end);
        if self.position < limit {
            let room = usize::try_from(limit - self.position).unwrap_or(usize::MAX).min(buf.len());
            let count = view.bytes.read_at(&mut buf[..room], self.position)?;
            self.position += count as u64;
            return Ok(Step::Bytes(count));
        }
        Ok(match view.end {
            Some(End::Whole(flown)) => Step::End(flown.outcome),
            Some(_) => Step::Lost(Lost::CacheFailed),
            // Flushing a large image to disk takes its time.
            None if view.judged => Step::Wait,
            None if self.is_to_give_up(view.is_stuck) => self.give_up(),
            None => Step::Wait,
        })
    }

    fn is_to_give_up(&mut self, is_known_stuck: bool) -> bool {
        self.patience.as_mut().is_some_and(|patience| is_known_stuck || patience.is_over())
    }

    /// A task that is alive only waits for its source.
    fn give_up(&mut self) -> Step {
        #[cfg(feature = "tokio")]
        if self.by_task && self.progress.ping() {
            self.patience.iter_mut().for_each(Patience::renew);
            return Step::Wait;
        }
        self.progress.remember_stuck();
        Step::Lost(Lost::Stuck)
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

    fn wait(&mut self) -> io::Result<()> {
        match &self.flight {
            Some(flight) => flight.drive(self.position),
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
        let look = || self.flight.as_ref().is_some_and(|flight| flight.is_free());
        self.progress.poll_moved(self.position, look, context)
    }

    /// How long to wait at most.
    pub fn patience(&self) -> Option<Duration> {
        self.patience.as_ref().map(Patience::left)
    }

    /// Brings the next bytes where that is left to readers and nobody does; whether there may be some now.
    pub fn bring(&self) -> io::Result<bool> {
        self.flight.as_ref().map_or(Ok(false), |flight| flight.drive_if_free(self.position))
    }
}

impl Drop for LocalFollower {
    fn drop(&mut self) {
        let left = self.progress.leave();
        if let Some(flight) = self.flight.take().filter(|_| left == 0) {
            flight.is_deserted();
        }
    }
}

/// How long nothing may come, counted from the first vain look.
#[derive(Debug)]
pub(super) struct Patience {
    time: Duration,
    since: Option<Instant>,
}

impl Patience {
    pub fn new(time: Duration) -> Self {
        Patience { time, since: None }
    }

    pub fn renew(&mut self) {
        self.since = None;
    }

    pub fn is_over(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() >= self.time
    }

    pub fn left(&self) -> Duration {
        let passed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.time.saturating_sub(passed).max(Duration::from_millis(1))
    }
}
