//! Reading along with a fetch, in this process or in another.

use super::external::ExternalFollower;
use super::follower_poll::FollowerPoll;
use super::local::LocalFollower;
use super::partial_bytes::PartialBytes;
use std::io;

/// A fetch that is followed, in this process or in another.
pub(crate) enum Follower {
    Here(LocalFollower),
    There(ExternalFollower),
}

impl Follower {
    /// Reads what there is, without waiting.
    pub fn step(&mut self, buf: &mut [u8]) -> io::Result<FollowerPoll> {
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
