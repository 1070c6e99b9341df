//! The error of an image for which there is no space, and how often space is made for it.

use std::io;

/// So often images are evicted for one that is to come: others may take the space before it is reserved.
pub(super) const EVICTION_ROUNDS: u32 = 8;

/// An error of the kind that a full disk has, with these words.
pub(super) fn storage_full(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, words)
}
