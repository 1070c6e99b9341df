//! The result of polling a follower.

use crate::error::FetchLoss;
use crate::outcome::Outcome;

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
