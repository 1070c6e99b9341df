//! Follows a fetch in this or another process: reads the bytes that have arrived, and then its end.

use super::external::ExternalFile;
use super::follower_poll::FollowerPoll;
use super::growing_file::{Completed, FetchEnd, GrowingFile};
use super::local::LocalFile;
use super::partial_bytes::PartialBytes;
use super::patience::Patience;
use super::producer::{Producer, SharedSource};
use super::progress::Progress;
use super::request::Request;
use crate::error::{Error, FetchLoss, check_promises};
use crate::outcome::Outcome;
use crate::withheld::readable;
use image_cache_model::{Expected, ImageId};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A reader's position in a fetch that it follows.
///
/// [`ReaderState`](super::reader_state::ReaderState) reads from it, and looks for the image elsewhere if the fetch is
/// [lost](FollowerPoll::Lost). A drop does not affect other readers.
pub(crate) struct Follower {
    file: FollowedFile,
    image_id: ImageId,
    expected: Expected,
    /// Whether the reader started this fetch: only that reader may continue with the source if the cache fails.
    is_own: bool,
    /// The position of the next read, and the end of the range.
    position: u64,
    end: u64,
    /// How long it waits for a writer without progress; `None` if the source is its own, or the readers fetch the bytes.
    patience: Option<Patience>,
    /// Bytes that had arrived at the last check.
    received: u64,
    /// The image's size, and whether it is cached, after the verification.
    verified: Option<(u64, bool)>,
}

enum FollowedFile {
    Local(LocalFile),
    External(Box<ExternalFile>),
}

impl Follower {
    /// Joins a fetch of this process; `None` if the fetch is ending.
    pub fn join(
        request: &Request,
        (progress, producer): (Arc<Progress>, Producer),
    ) -> Option<Follower> {
        let file = LocalFile::join(progress, request.image_id.clone(), &producer)?;
        let is_patient = !file.is_fetched_by_readers();
        Some(Follower::new(request, FollowedFile::Local(file), is_patient))
    }

    /// Follows the fetch that the reader itself started: it waits without a timeout.
    pub fn of_own(
        request: &Request,
        progress: Arc<Progress>,
        source: Option<Arc<dyn SharedSource>>,
    ) -> Follower {
        let image_id = request.image_id.clone();
        let file = FollowedFile::Local(LocalFile::new(progress, image_id, source));
        Follower { is_own: true, ..Follower::new(request, file, false) }
    }

    /// Follows a fetch of another process.
    pub(super) fn of_external(request: &Request, file: ExternalFile) -> Follower {
        Follower::new(request, FollowedFile::External(Box::new(file)), true)
    }

    fn new(request: &Request, file: FollowedFile, is_patient: bool) -> Follower {
        let patience = || Patience::new(request.inner.config().other_writer_patience);
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

    /// Reads the available bytes, without waiting.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<FollowerPoll> {
        let wanted = self.position..self.end;
        let snapshot = self.file().snapshot(wanted)?;
        let received = snapshot.bytes.len();
        if received > std::mem::replace(&mut self.received, received) {
            self.patience.iter_mut().for_each(Patience::renew);
        }
        // All bytes of the range have been read, so the rest of the fetch does not matter.
        if self.position >= self.end && !matches!(snapshot.end, Some(FetchEnd::Whole(_))) {
            return Ok(FollowerPoll::End(Outcome::BeingCached));
        }
        let is_verified = match &snapshot.end {
            Some(FetchEnd::Failed(error)) => return Err(Error::copy_io(error)),
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
            // The reader that continues with its source first reads all bytes from before; the others start over.
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
            // Flushing a large image to disk may take long.
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
        let read = bytes.read_at(&mut buf[..room], self.position);
        let count = read.map_err(|error| unreadable(&self.image_id, error))?;
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

    /// Compares the image with what this reader expects, which may differ from what the fetch expected: a checksum of an algorithm
    /// that the fetch did not compute is not compared. True once, if the image is cached.
    fn verify(&mut self, completed: &Completed, size: u64) -> io::Result<bool> {
        let cached = matches!(completed.outcome, Outcome::Cached(_) | Outcome::AlreadyCached);
        if self.verified.replace((size, cached)).is_some() {
            return Ok(false);
        }
        let digests = &completed.digests;
        check_promises(&self.expected, &self.image_id, size, digests).map_err(io::Error::from)?;
        Ok(cached)
    }

    /// Whether the image is cached now, and its last byte has been read.
    pub fn is_hit(&self) -> bool {
        self.verified.is_some_and(|(size, cached)| cached && self.position >= size.min(self.end))
    }

    /// Whether the reader started this fetch.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Total bytes of the image, if known.
    pub fn size(&mut self) -> Option<u64> {
        let verified = self.verified.map(|(size, _)| size);
        self.file().size().or(verified).or(self.expected.size)
    }

    /// The bytes from which it has read.
    pub fn bytes(&mut self) -> io::Result<PartialBytes> {
        let position = self.position;
        self.file().bytes(position)
    }

    /// Waits on this thread until there may be bytes, and fetches them if readers fetch.
    pub fn wait(&mut self) -> io::Result<()> {
        let (position, at_most) = (self.position, self.patience.as_ref().map(Patience::left));
        self.file().wait(position, at_most)
    }
}

impl Follower {
    /// Whether a task can wait for it; a thread must wait for a fetch of another process.
    pub fn is_local(&self) -> bool {
        matches!(self.file, FollowedFile::Local(_))
    }

    /// Whether readers fetch the bytes.
    pub fn is_fetched_by_readers(&self) -> bool {
        matches!(&self.file, FollowedFile::Local(file) if file.is_fetched_by_readers())
    }

    /// Ready when there may be progress; an error if the fetch waits for this task.
    pub fn poll_moved(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.file {
            FollowedFile::Local(file) => file.poll_moved(self.position, context),
            FollowedFile::External(_) => Poll::Ready(Ok(())),
        }
    }

    /// The maximum time to wait.
    pub fn patience(&self) -> Option<std::time::Duration> {
        self.patience.as_ref().map(Patience::left)
    }

    /// Fetches the next bytes if readers fetch and no other reader is fetching; true if there may be bytes now.
    pub fn try_fetch_next(&self) -> io::Result<bool> {
        match &self.file {
            FollowedFile::Local(file) => file.try_fetch_next(self.position),
            FollowedFile::External(_) => Ok(false),
        }
    }
}

/// The error of a reader that cannot read the growing file.
fn unreadable(image_id: &ImageId, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated { image_id: image_id.clone() }.into(),
        _ => Error::image("read", image_id)(error).into(),
    }
}
