//! The destination of a fetch's bytes.

use crate::cache::CacheInner;
use crate::outcome::{CacheFailure, Outcome};
use crate::space;
use image_cache_model::{Checksum, ChecksumAlgorithm, Expected, ImageId};
use image_cache_store::Incomplete;
use image_cache_store::image_hasher::ImageHasher;
use image_cache_store::integrity::BlockDigests;
use std::io;

/// The destination of a fetch's bytes. A sink changes only to a later variant of this list.
pub(super) enum Sink {
    /// The cache: the bytes are written and hashed.
    Caching(Box<CachingSink>),
    /// No file, for this reason: the bytes are only hashed.
    Verifying(ImageHasher, Outcome),
    /// No file, for this reason: no digest is needed, or the fetch has ended.
    Ignoring(Outcome),
}

/// A file in `incomplete/`, with the digests of its bytes. A drop moves the file to `invalid/`.
pub(super) struct CachingSink {
    pub file: Incomplete,
    pub blocks: BlockDigests,
    hasher: ImageHasher,
}

impl Sink {
    /// A sink that writes to this file, and computes the MD5 for the image's record and the digests of the expected algorithms.
    pub fn caching(file: Incomplete, expected: &Expected) -> Sink {
        let expected = expected.checksums().iter().map(Checksum::algorithm);
        let hasher = ImageHasher::new([ChecksumAlgorithm::Md5].into_iter().chain(expected));
        Sink::Caching(Box::new(CachingSink { file, blocks: BlockDigests::default(), hasher }))
    }

    /// A sink that bypasses the cache, for this reason.
    pub fn bypassing(expected: &Expected, reason: Outcome) -> Sink {
        match expected.checksums() {
            [] => Sink::Ignoring(reason),
            expected => {
                let hasher = ImageHasher::new(expected.iter().map(Checksum::algorithm));
                Sink::Verifying(hasher, reason)
            }
        }
    }

    /// Why nothing will be cached, if that is already certain.
    pub fn bypass_reason(&self) -> Option<&Outcome> {
        match self {
            Sink::Caching(_) => None,
            Sink::Verifying(_, reason) | Sink::Ignoring(reason) => Some(reason),
        }
    }

    /// Hashes a block, whether it could be written or not; returns an empty buffer for the next one.
    pub fn hash(&mut self, block: Vec<u8>) -> Vec<u8> {
        match self {
            Sink::Caching(caching) => {
                caching.blocks.update(&block);
                caching.hasher.update(block)
            }
            Sink::Verifying(hasher, _) => hasher.update(block),
            Sink::Ignoring(_) => Vec::new(),
        }
    }

    /// The digests of all bytes that are needed, sorted by algorithm. Call it once.
    pub fn finish_digests(&mut self) -> io::Result<Vec<Checksum>> {
        let hasher = match self {
            Sink::Caching(caching) => &mut caching.hasher,
            Sink::Verifying(hasher, _) => hasher,
            Sink::Ignoring(_) => return Ok(Vec::new()),
        };
        std::mem::take(hasher).finish()
    }

    /// The cache has failed: removes the file; from now on the bytes are only hashed.
    pub fn discard(&mut self, reason: Outcome) {
        match std::mem::replace(self, Sink::Ignoring(reason.clone())) {
            Sink::Caching(caching) => {
                caching.file.discard();
                *self = Sink::Verifying(caching.hasher, reason);
            }
            other => *self = other,
        }
    }

    /// The fetch has ended without a complete image: moves the file to `invalid/`, with the last bytes that arrived.
    pub fn quarantine(&mut self, inner: &CacheInner, image_id: &ImageId, last: [&[u8]; 2]) {
        let failed = Sink::Ignoring(Outcome::CacheFailed(CacheFailure::FetchFailed));
        if let Sink::Caching(caching) = std::mem::replace(self, failed) {
            caching.quarantine(inner, image_id, last);
        }
    }
}

impl CachingSink {
    /// Reserves space and appends bytes to the file.
    pub fn write(&mut self, inner: &CacheInner, bytes: &[u8]) -> io::Result<()> {
        space::grow(inner, &mut self.file, bytes.len())?;
        self.file.write_all(bytes)
    }

    /// Moves the file with all bytes that arrived to `invalid/`, so that an operator can find the reason. Only bytes that cannot
    /// be written are lost.
    fn quarantine(mut self, inner: &CacheInner, image_id: &ImageId, last: [&[u8]; 2]) {
        let mut rest = last.into_iter().filter(|bytes| !bytes.is_empty());
        if let Err(error) = rest.try_for_each(|bytes| self.write(inner, bytes)) {
            tracing::debug!(image = %image_id, %error, "the last bytes of the fetch are missing in invalid/");
        }
        // The drop of an incomplete file moves it there.
        drop(self.file);
    }
}
