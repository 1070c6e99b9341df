//! What a reader that follows a fetch finds when it looks.

use crate::outcome::Outcome;
use image_cache_model::ImageId;
use std::io;

/// What there is to do next for a reader that follows.
#[derive(Debug)]
pub(crate) enum FollowerPoll {
    /// So many bytes were read, the next ones of the image.
    Bytes(usize),
    /// The image is cached, and this is where the reader stands in it. Told once, if there is more to read.
    Published(u64, Outcome),
    /// The image is whole and verified, and has been read to its end.
    End(Outcome),
    /// There is nothing to read yet.
    Pending,
    /// There will be nothing more to read here.
    Lost(FetchLoss),
}

/// Why there is nothing more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchLoss {
    /// The writer went away.
    Abandoned,
    /// The cache failed; the source is sound.
    CacheFailed,
    /// Nothing came for too long.
    Stuck,
}

impl FetchLoss {
    /// The error of a reader that has no way to go on.
    pub fn error(self, id: &ImageId) -> io::Error {
        let (kind, why) = match self {
            FetchLoss::Abandoned => (io::ErrorKind::ConnectionAborted, "its fetch was broken off"),
            FetchLoss::CacheFailed => {
                (io::ErrorKind::Other, "the cache failed while it was fetched")
            }
            FetchLoss::Stuck => {
                (io::ErrorKind::TimedOut, "nothing has come from its writer for too long")
            }
        };
        let words = format!(
            "image {id}: {why}, and this reader has no source of its own; read it again, with a fetch function"
        );
        io::Error::new(kind, words)
    }
}
