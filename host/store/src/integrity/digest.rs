//! The digest of a block: XXH3 with 64 bits.

// In a build without optimisation the library, which is always optimised, is faster.
#[cfg(all(target_arch = "x86_64", any(test, not(debug_assertions))))]
mod simd;

use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// Bytes of a block with a digest; the last block of an image may be shorter. Writes use the smaller
/// [`WRITE_BLOCK`](crate::image_hasher::WRITE_BLOCK).
pub const DIGEST_BLOCK: u64 = 1 << 20;

/// The digest of a block, never 0.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(debug_assertions)))]
    if let Some(digest) = simd::digest(bytes) {
        return nonzero(digest);
    }
    nonzero(XxHash3_64::oneshot(bytes))
}

/// Computes the digests of an image's blocks from its bytes, which may come in pieces of any size. A fill passes it the bytes
/// that it writes.
#[derive(Default)]
pub struct BlockDigests {
    done: Vec<u64>,
    hasher: XxHash3_64,
    /// Bytes of the unfinished block.
    block_bytes: u64,
}

impl BlockDigests {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let missing = usize::try_from(DIGEST_BLOCK - self.block_bytes).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(missing));
            self.hasher.write(now);
            self.block_bytes += now.len() as u64;
            bytes = later;
            if self.block_bytes == DIGEST_BLOCK {
                self.end_block();
            }
        }
    }

    /// The digests of all blocks.
    pub(super) fn finish(mut self) -> Vec<u64> {
        if self.block_bytes > 0 {
            self.end_block();
        }
        self.done
    }

    fn end_block(&mut self) {
        self.done.push(nonzero(std::mem::take(&mut self.hasher).finish()));
        self.block_bytes = 0;
    }
}

/// 0 means that a digest is not known.
fn nonzero(digest: u64) -> u64 {
    digest.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_do_not_depend_on_the_sizes_of_the_pieces() {
        let bytes: Vec<u8> = (0..2_500_000_u32).map(|n| (n >> 3) as u8 ^ n as u8).collect();
        let whole: Vec<u64> = bytes.chunks(DIGEST_BLOCK as usize).map(digest).collect();
        for portion in [1000, 262_144, 1 << 20, 3 << 20] {
            let mut digests = BlockDigests::default();
            bytes.chunks(portion).for_each(|portion| digests.update(portion));
            assert_eq!(digests.finish(), whole, "portions of {portion}");
        }
        assert!(BlockDigests::default().finish().is_empty());
    }
}
