//! The growing file of a fetch, as a follower sees it.

use super::partial_bytes::PartialBytes;
use crate::outcome::Outcome;
use image_cache_model::Checksum;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The growing file of a fetch, in this process or in another. A [`Follower`](super::follower::Follower) reads it; dropped, it
/// disturbs neither the fetch nor its other readers.
pub(super) trait GrowingFile {
    /// What may be read now. `wanted` is what the reader has not read yet: whether the writer has ended is found out only if
    /// there is nothing of it.
    fn snapshot(&mut self, wanted: Range<u64>) -> io::Result<Snapshot>;

    /// The bytes up to `position`, which a reader has read.
    fn bytes(&self, position: u64) -> io::Result<PartialBytes>;

    /// Bytes that the image has in all, if its fetch knows.
    fn size(&self) -> Option<u64>;

    /// Asks the writer for a sign of life, if it can give one; whether it has answered the one before.
    fn ping_writer(&mut self) -> bool;

    /// The writer writes nothing: other readers need not wait to find that out.
    fn remember_stuck(&mut self);

    /// Waits on this thread until there may be bytes behind `position`, and fetches them if that is left to readers.
    fn wait(&mut self, position: u64, at_most: Option<Duration>) -> io::Result<()>;
}

/// What may be read at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub bytes: PartialBytes,
    pub end: Option<FetchEnd>,
    /// Whether the source has ended, and the image is verified and published now.
    pub is_verifying: bool,
    /// Whether the writer was found to write nothing, and has written nothing since.
    pub is_stuck: bool,
}

/// How a fetch ended.
#[derive(Debug, Clone)]
pub(crate) enum FetchEnd {
    /// There is nothing to follow: it is cached already, refused, or the cache failed.
    NotStarted,
    /// The image is whole and verified.
    Whole(Completed),
    /// The source failed or lied.
    Failed(Arc<io::Error>),
    /// The reader that had the source went away.
    Abandoned,
    /// The source is sound, but the cache cannot keep what comes.
    CacheFailed,
}

/// A whole, verified image.
#[derive(Debug, Clone)]
pub(crate) struct Completed {
    pub outcome: Outcome,
    pub digest: Option<Checksum>,
}
