//! The interface of a fetch's growing file for a follower.

use super::partial_bytes::PartialBytes;
use crate::outcome::Outcome;
use image_cache_model::Checksum;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The growing file of a fetch, in this process or in another. A [`Follower`](super::follower::Follower) reads it; a drop affects
/// neither the fetch nor other readers.
pub(super) trait GrowingFile {
    /// The bytes that may be read now. `wanted` is the range that the reader has not read yet: the writer is checked only if none
    /// of it is available.
    fn snapshot(&mut self, wanted: Range<u64>) -> io::Result<Snapshot>;

    /// The bytes up to `position`, which a reader has read.
    fn bytes(&self, position: u64) -> io::Result<PartialBytes>;

    /// Total bytes of the image, if the fetch knows.
    fn size(&self) -> Option<u64>;

    /// Asks the writer for a sign of life, if it can answer; true if it has answered the previous request.
    fn ping_writer(&mut self) -> bool;

    /// Remembers that the writer makes no progress, so that other readers need not wait for it.
    fn remember_stuck(&mut self);

    /// Waits on this thread until there may be bytes after `position`, and fetches them if readers fetch.
    fn wait(&mut self, position: u64, at_most: Option<Duration>) -> io::Result<()>;
}

/// The readable bytes at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub bytes: PartialBytes,
    pub end: Option<FetchEnd>,
    /// Whether the source has ended, and the image is being verified and published.
    pub is_verifying: bool,
    /// Whether the writer is known to make no progress, and has written nothing since.
    pub is_stuck: bool,
}

/// How a fetch ended.
#[derive(Debug, Clone)]
pub(crate) enum FetchEnd {
    /// There is nothing to follow: the image is already cached or refused, or the cache failed.
    NotStarted,
    /// The image is complete and verified.
    Whole(Completed),
    /// The source failed, or its bytes are not the expected ones.
    Failed(Arc<io::Error>),
    /// The reader with the source was dropped.
    Abandoned,
    /// The source works, but the cache cannot store its bytes.
    CacheFailed,
}

/// A complete, verified image.
#[derive(Debug, Clone)]
pub(crate) struct Completed {
    pub outcome: Outcome,
    /// The digests that the fetch computed, or the checksum in the record.
    pub digests: Arc<[Checksum]>,
}
