//! Reading along with a fetch, in this process or in another: what has come so far, and then its end.

use super::external::ExternalFile;
use super::follower_poll::{FetchLoss, FollowerPoll};
use super::growing_file::{Completed, FetchEnd, GrowingFile};
use super::local::LocalFile;
use super::partial_bytes::PartialBytes;
use super::patience::Patience;
use super::producer::{Producer, SharedSource};
use super::progress::Progress;
use super::request::Request;
use crate::error::{check_promises, clone_io_error};
use crate::outcome::Outcome;
use crate::withheld::readable;
use image_cache_model::{Expected, ImageId};
use std::io;
use std::sync::Arc;

/// A reader's place in a fetch that it follows.
///
/// [`ReaderState`](super::reader_state::ReaderState) reads from it, and looks for the image elsewhere if it is
/// [lost](FollowerPoll::Lost). Dropped before its end, it disturbs no other reader.
pub(crate) struct Follower {
    file: FollowedFile,
    image_id: ImageId,
    expected: Expected,
    /// Whether the reader began this fetch: it alone may go on with the source if the cache fails.
    is_own: bool,
    /// Where it reads next, and up to where.
    position: u64,
    end: u64,
    /// How long it waits for a writer that writes nothing; none if its own source or the readers themselves bring the bytes.
    patience: Option<Patience>,
    /// Bytes that had come when it last looked.
    received: u64,
    /// The image's size, and whether it is cached, once it was verified.
    verified: Option<(u64, bool)>,
}

enum FollowedFile {
    Local(LocalFile),
    External(Box<ExternalFile>),
}

impl Follower {
    /// Joins a fetch of this process; nothing if it is just going away.
    pub fn join(
        request: &Request,
        (progress, producer): (Arc<Progress>, Producer),
    ) -> Option<Follower> {
        let file = LocalFile::join(progress, &producer)?;
        let is_patient = !file.is_fetched_by_readers();
        Some(Follower::new(request, FollowedFile::Local(file), is_patient))
    }

    /// Reads along with the fetch that the reader began itself: it waits as long as its source takes.
    pub fn of_own(
        request: &Request,
        progress: Arc<Progress>,
        source: Option<Arc<dyn SharedSource>>,
    ) -> Follower {
        let file = FollowedFile::Local(LocalFile::new(progress, source));
        Follower { is_own: true, ..Follower::new(request, file, false) }
    }

    /// Reads along with a fetch of another process.
    pub(super) fn of_external(request: &Request, file: ExternalFile) -> Follower {
        Follower::new(request, FollowedFile::External(Box::new(file)), true)
    }

    fn new(request: &Request, file: FollowedFile, is_patient: bool) -> Follower {
        let patience = || Patience::new(request.inner.config.other_writer_patience);
        Follower {
            file,
            image_id: request.image_id.clone(),
            expected: request.expected.clone(),
            is_own: false,
            position: request.range.start,
            end: request.range.end,
            patience: is_patient.then(patience),
            received: 0,
            verified: None,
        }
    }

    fn file(&mut self) -> &mut dyn GrowingFile {
        match &mut self.file {
            FollowedFile::Local(file) => file,
            FollowedFile::External(file) => &mut **file,
        }
    }

    /// Reads what there is, without waiting.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<FollowerPoll> {
        let wanted = self.position..self.end;
        let snapshot = self.file().snapshot(wanted)?;
        let received = snapshot.bytes.len();
        if received > std::mem::replace(&mut self.received, received) {
            self.patience.iter_mut().for_each(Patience::renew);
        }
        // A part has its bytes, whatever becomes of the others.
        if self.position >= self.end && !matches!(snapshot.end, Some(FetchEnd::Whole(_))) {
            return Ok(FollowerPoll::End(Outcome::BeingCached));
        }
        let is_verified = match &snapshot.end {
            Some(FetchEnd::Failed(error)) => return Err(clone_io_error(error)),
            Some(FetchEnd::Whole(completed)) => {
                if self.verify(completed, received)? && self.position < received.min(self.end) {
                    let outcome = completed.outcome.clone();
                    return Ok(FollowerPoll::Published(self.position, outcome));
                }
                true
            }
            Some(FetchEnd::Abandoned | FetchEnd::NotStarted) => {
                return Ok(FollowerPoll::Lost(FetchLoss::Abandoned));
            }
            // A reader that goes on with its source reads to where that stands; the others need not.
            Some(FetchEnd::CacheFailed) if !self.is_own => {
                return Ok(FollowerPoll::Lost(FetchLoss::CacheFailed));
            }
            Some(FetchEnd::CacheFailed) | None => false,
        };
        let limit = readable(received, is_verified).min(self.end);
        if self.position < limit {
            return self.read_bytes(&snapshot.bytes, limit, buf);
        }
        Ok(match snapshot.end {
            Some(FetchEnd::Whole(completed)) => FollowerPoll::End(completed.outcome),
            Some(_) => FollowerPoll::Lost(FetchLoss::CacheFailed),
            // Flushing a large image to disk takes its time.
            None if snapshot.is_verifying => FollowerPoll::Pending,
            None => self.wait_or_give_up(snapshot.is_stuck),
        })
    }

    fn read_bytes(
        &mut self,
        bytes: &PartialBytes,
        limit: u64,
        buf: &mut [u8],
    ) -> io::Result<FollowerPoll> {
        let room = usize::try_from(limit - self.position).unwrap_or(usize::MAX).min(buf.len());
        let count = bytes.read_at(&mut buf[..room], self.position)?;
        self.position += count as u64;
        Ok(FollowerPoll::Bytes(count))
    }

    fn wait_or_give_up(&mut self, is_known_stuck: bool) -> FollowerPoll {
        let Some(patience) = &mut self.patience else { return FollowerPoll::Pending };
        if !is_known_stuck && !patience.expire_or_start() {
            return FollowerPoll::Pending;
        }
        if self.file().ping_writer() {
            self.patience.iter_mut().for_each(Patience::renew);
            return FollowerPoll::Pending;
        }
        self.file().remember_stuck();
        FollowerPoll::Lost(FetchLoss::Stuck)
    }

    /// What the fetch was compared with need not be what this reader was promised. True once, if the image is cached.
    fn verify(&mut self, completed: &Completed, size: u64) -> io::Result<bool> {
        let cached = matches!(completed.outcome, Outcome::Cached(_) | Outcome::AlreadyCached);
        if self.verified.replace((size, cached)).is_some() {
            return Ok(false);
        }
        let digest = completed.digest.as_ref();
        check_promises(&self.expected, &self.image_id, size, digest).map_err(io::Error::from)?;
        Ok(cached)
    }

    /// Whether the last byte of an image that is cached now has been read.
    pub fn is_hit(&self) -> bool {
        self.verified.is_some_and(|(size, cached)| cached && self.position >= size.min(self.end))
    }

    /// Whether the reader began this fetch.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Bytes that the image has in all, if that is known.
    pub fn size(&mut self) -> Option<u64> {
        let verified = self.verified.map(|(size, _)| size);
        self.file().size().or(verified).or(self.expected.size)
    }

    /// What was read from.
    pub fn bytes(&mut self) -> io::Result<PartialBytes> {
        let position = self.position;
        self.file().bytes(position)
    }

    /// Waits on this thread until there may be something, and fetches it if that is left to readers.
    pub fn wait(&mut self) -> io::Result<()> {
        let (position, at_most) = (self.position, self.patience.as_ref().map(Patience::left));
        self.file().wait(position, at_most)
    }
}

impl Follower {
    /// Whether a task can wait for it; for a fetch of another process a thread does.
    pub fn is_local(&self) -> bool {
        matches!(self.file, FollowedFile::Local(_))
    }

    /// Whether readers fetch the bytes.
    pub fn is_fetched_by_readers(&self) -> bool {
        matches!(&self.file, FollowedFile::Local(file) if file.is_fetched_by_readers())
    }

    /// Ready when there may be something to do.
    pub fn poll_moved(&self, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        match &self.file {
            FollowedFile::Local(file) => file.poll_moved(self.position, context),
            FollowedFile::External(_) => std::task::Poll::Ready(()),
        }
    }

    /// How long to wait at most.
    pub fn patience(&self) -> Option<std::time::Duration> {
        self.patience.as_ref().map(Patience::left)
    }

    /// Fetches the next bytes if that is left to readers and no reader does; whether there may be some now.
    pub fn try_fetch_next(&self) -> io::Result<bool> {
        match &self.file {
            FollowedFile::Local(file) => file.try_fetch_next(self.position),
            FollowedFile::External(_) => Ok(false),
        }
    }
}
