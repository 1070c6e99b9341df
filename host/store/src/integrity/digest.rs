//! The digest of a block: XXH3 with 64 bits.

// Where nothing is optimised, the library is, and faster.
#[cfg(all(target_arch = "x86_64", any(test, not(debug_assertions))))]
mod simd;

use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// Bytes in a block; the last one of an image has what is left.
pub const BLOCK: u64 = 1 << 20;

/// The digest of a whole block, never 0.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(debug_assertions)))]
    if let Some(digest) = simd::digest(bytes) {
        return known(digest);
    }
    known(XxHash3_64::oneshot(bytes))
}

/// Takes an image's bytes in any portions, and makes the digests of its blocks.
#[derive(Default)]
pub struct BlockDigests {
    done: Vec<u64>,
    block: XxHash3_64,
    /// Bytes of the block that is under way.
    taken: u64,
}

impl BlockDigests {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let reservation = usize::try_from(BLOCK - self.taken).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(reservation));
            self.block.write(now);
            self.taken += now.len() as u64;
            bytes = later;
            if self.taken == BLOCK {
                self.end_block();
            }
        }
    }

    /// The digests of all blocks.
    pub(super) fn finish(mut self) -> Vec<u64> {
        if self.taken > 0 {
            self.end_block();
        }
        self.done
    }

    fn end_block(&mut self) {
        self.done.push(known(std::mem::take(&mut self.block).finish()));
        self.taken = 0;
    }
}

/// 0 stands for a digest that nobody knows.
fn known(digest: u64) -> u64 {
    digest.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_do_not_depend_on_how_the_bytes_came() {
        let bytes: Vec<u8> = (0..2_500_000_u32).map(|n| (n >> 3) as u8 ^ n as u8).collect();
        let whole: Vec<u64> = bytes.chunks(BLOCK as usize).map(digest).collect();
        for portion in [1000, 262_144, 1 << 20, 3 << 20] {
            let mut digests = BlockDigests::default();
            bytes.chunks(portion).for_each(|portion| digests.update(portion));
            assert_eq!(digests.finish(), whole, "portions of {portion}");
        }
        assert!(BlockDigests::default().finish().is_empty());
    }
}
