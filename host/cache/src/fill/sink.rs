//! Where the bytes of a fetch go.

use crate::cache::CacheInner;
use crate::outcome::{CacheFailure, Outcome};
use crate::space;
use image_cache_model::{Checksum, Expected, ImageId};
use image_cache_store::Incomplete;
use image_cache_store::integrity::BlockDigests;
use image_cache_store::md5::Md5Digest;
use std::io;

/// Where the bytes of a fetch go. A sink only ever moves down this list.
pub(super) enum Sink {
    /// Into the cache: they are written, and hashed at the same time.
    Caching(Box<CachingSink>),
    /// Nowhere, for this reason: they are only hashed.
    Verifying(Md5Digest, Outcome),
    /// Nowhere, for this reason: nobody asks for their digest, or the fetch has ended.
    Ignoring(Outcome),
}

/// A file in `incomplete/`, with the digests of what was written to it. Dropped, it leaves the file in `invalid/`.
pub(super) struct CachingSink {
    pub file: Incomplete,
    pub blocks: BlockDigests,
    digest: Md5Digest,
}

impl Sink {
    pub fn caching(file: Incomplete) -> Sink {
        let (blocks, digest) = (BlockDigests::default(), Md5Digest::new());
        Sink::Caching(Box::new(CachingSink { file, blocks, digest }))
    }

    /// Past the cache, for this reason.
    pub fn bypassing(expected: &Expected, reason: Outcome) -> Sink {
        match expected.md5 {
            Some(_) => Sink::Verifying(Md5Digest::new(), reason),
            None => Sink::Ignoring(reason),
        }
    }

    /// Why nothing will be cached, if that is certain already.
    pub fn bypass_reason(&self) -> Option<&Outcome> {
        match self {
            Sink::Caching(_) => None,
            Sink::Verifying(_, reason) | Sink::Ignoring(reason) => Some(reason),
        }
    }

    /// Hashes a block that was written, or cannot be; answers an empty buffer for the next one.
    pub fn hash(&mut self, block: Vec<u8>) -> Vec<u8> {
        match self {
            Sink::Caching(caching) => {
                caching.blocks.update(&block);
                caching.digest.update(block)
            }
            Sink::Verifying(digest, _) => digest.update(block),
            Sink::Ignoring(_) => Vec::new(),
        }
    }

    /// The digest of all bytes, unless nobody asks for it. It can be had once.
    pub fn finish_digest(&mut self) -> io::Result<Option<Checksum>> {
        let digest = match self {
            Sink::Caching(caching) => &mut caching.digest,
            Sink::Verifying(digest, _) => digest,
            Sink::Ignoring(_) => return Ok(None),
        };
        std::mem::take(digest).finish().map(Some)
    }

    /// The cache has failed: the file is removed, and the bytes are only hashed from now on.
    pub fn discard(&mut self, reason: Outcome) {
        match std::mem::replace(self, Sink::Ignoring(reason.clone())) {
            Sink::Caching(caching) => {
                caching.file.discard();
                *self = Sink::Verifying(caching.digest, reason);
            }
            other => *self = other,
        }
    }

    /// The fetch has ended without a whole image: the file goes to `invalid/`, with the last bytes that came.
    pub fn quarantine(&mut self, inner: &CacheInner, image_id: &ImageId, last: [&[u8]; 2]) {
        let failed = Sink::Ignoring(Outcome::CacheFailed(CacheFailure::FetchFailed));
        if let Sink::Caching(caching) = std::mem::replace(self, failed) {
            caching.quarantine(inner, image_id, last);
        }
    }
}

impl CachingSink {
    /// Appends bytes to the file, for which space is reserved first.
    pub fn write(&mut self, inner: &CacheInner, bytes: &[u8]) -> io::Result<()> {
        space::grow(inner, &mut self.file, bytes.len())?;
        self.file.write_all(bytes)
    }

    /// Everything that came is in `invalid/`, for an operator who looks for the reason. Bytes that cannot be written are all that is
    /// lost.
    fn quarantine(mut self, inner: &CacheInner, image_id: &ImageId, last: [&[u8]; 2]) {
        let mut rest = last.into_iter().filter(|bytes| !bytes.is_empty());
        if let Err(error) = rest.try_for_each(|bytes| self.write(inner, bytes)) {
            tracing::debug!(image = %image_id, %error, "the end of what came is missing in invalid/");
        }
        // An incomplete file that is neither published nor discarded moves there.
        drop(self.file);
    }
}
