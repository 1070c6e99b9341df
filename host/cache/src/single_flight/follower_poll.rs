//! The result of polling a follower.

use crate::outcome::Outcome;
use image_cache_model::ImageId;
use std::io;

/// The result of one read of a follower.
#[derive(Debug)]
pub(crate) enum FollowerPoll {
    /// The number of bytes that were read, the next ones of the image.
    Bytes(usize),
    /// The image is cached; the position of the reader in it. Returned once, if there is more to read.
    Published(u64, Outcome),
    /// The image is complete and verified, and has been read to its end.
    End(Outcome),
    /// There is nothing to read yet.
    Pending,
    /// This fetch will have no more bytes.
    Lost(FetchLoss),
}

/// Why a fetch was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchLoss {
    /// The writer ended.
    Abandoned,
    /// The cache failed; the source still works.
    CacheFailed,
    /// There was no progress for too long.
    Stuck,
}

impl FetchLoss {
    /// The error of a reader that cannot continue.
    pub fn error(self, id: &ImageId) -> io::Error {
        let (kind, why) = match self {
            FetchLoss::Abandoned => (io::ErrorKind::ConnectionAborted, "its fetch was interrupted"),
            FetchLoss::CacheFailed => {
                (io::ErrorKind::Other, "the cache failed while it was fetched")
            }
            FetchLoss::Stuck => {
                (io::ErrorKind::TimedOut, "its writer has made no progress for too long")
            }
        };
        let words = format!(
            "image {id}: {why}, and this reader has no source of its own; read it again with a source"
        );
        io::Error::new(kind, words)
    }
}
