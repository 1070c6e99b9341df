//! MD5 of a stream, computed in a separate thread.

use fast_md5::Md5;
use image_cache_model::{Checksum, ChecksumAlgorithm};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Bytes that are written and hashed at once. Block digests use larger blocks: [`DIGEST_BLOCK`](crate::integrity::DIGEST_BLOCK).
pub const WRITE_BLOCK: usize = 256 * 1024;

/// Blocks that can wait for the hashing thread.
const QUEUED_BLOCKS: usize = 8;

/// Computes an MD5 while the caller writes the bytes: after the first block in a separate thread, since MD5 is slower than
/// copying and writing together. A drop without [`finish`](Self::finish) ends the thread.
///
/// MD5 limits the speed of a fill. The crate `fast-md5` has assembly for x86-64 and needs 79 % of the time of the crate `md-5`
/// (948 and 747 MB/s on a Zen 5 core), with which the tests compare it.
pub struct Md5Digest {
    hasher: Hasher,
    bytes: usize,
}

enum Hasher {
    Inline(Md5),
    Thread { blocks: SyncSender<Vec<u8>>, recycled: Receiver<Vec<u8>>, thread: JoinHandle<Md5> },
}

impl Default for Md5Digest {
    fn default() -> Self {
        Md5Digest::new()
    }
}

impl Md5Digest {
    /// Starts without bytes.
    pub fn new() -> Self {
        Md5Digest { hasher: Hasher::Inline(Md5::new()), bytes: 0 }
    }

    /// Adds the next bytes, and returns an empty buffer for the following ones.
    pub fn update(&mut self, block: Vec<u8>) -> Vec<u8> {
        self.bytes = self.bytes.saturating_add(block.len());
        if self.bytes >= WRITE_BLOCK
            && let Hasher::Inline(md5) = &mut self.hasher
            && let Ok(thread) = in_thread(md5)
        {
            self.hasher = thread;
        }
        match &mut self.hasher {
            Hasher::Inline(md5) => {
                md5.update(&block);
                emptied(block)
            }
            Hasher::Thread { blocks, recycled, .. } => {
                // The thread ends only when this sender is dropped.
                let _ = blocks.send(block);
                recycled.try_recv().map_or_else(|_| Vec::with_capacity(WRITE_BLOCK), emptied)
            }
        }
    }

    /// The digest of all bytes, in lower-case hexadecimal; an error only if the hashing thread panicked.
    pub fn finish(self) -> std::io::Result<Checksum> {
        let md5 = match self.hasher {
            Hasher::Inline(md5) => md5,
            Hasher::Thread { blocks, recycled, thread } => {
                drop(blocks);
                drop(recycled);
                thread.join().map_err(|_| {
                    std::io::Error::other("the thread that computes the MD5 panicked")
                })?
            }
        };
        let digits = hex::encode(md5.finalize());
        Checksum::new(ChecksumAlgorithm::Md5, &digits).map_err(std::io::Error::other)
    }
}

/// Moves the MD5 to a new thread; leaves it unchanged if no thread can be started.
fn in_thread(md5: &mut Md5) -> std::io::Result<Hasher> {
    let (blocks, incoming) = sync_channel::<Vec<u8>>(QUEUED_BLOCKS);
    let (recycle, recycled) = channel();
    let (move_md5, moved_md5) = channel();
    let thread = std::thread::Builder::new().name("image-cache-md5".into()).spawn(move || {
        // The other thread sends it right after starting this one.
        let mut md5: Md5 = moved_md5.recv().unwrap_or_else(|_| Md5::new());
        for block in incoming {
            md5.update(&block);
            // After the end of the stream no thread receives buffers.
            let _ = recycle.send(block);
        }
        md5
    })?;
    // The thread waits for this message.
    let _ = move_md5.send(std::mem::replace(md5, Md5::new()));
    Ok(Hasher::Thread { blocks, recycled, thread })
}

fn emptied(mut block: Vec<u8>) -> Vec<u8> {
    block.clear();
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest;

    #[test]
    fn the_digest_is_the_same_whether_a_thread_computes_it_or_not() {
        for sizes in [vec![], vec![5], vec![WRITE_BLOCK], vec![3, WRITE_BLOCK, WRITE_BLOCK, 5]] {
            let mut digest = Md5Digest::new();
            for size in &sizes {
                digest.update(vec![7; *size]);
            }
            let whole = hex::encode(md5::Md5::digest(vec![7; sizes.iter().sum()]));
            let found = digest.finish().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(found.value(), whole, "blocks of {sizes:?}");
        }
    }

    /// Lengths around the algorithm's block size of 64 bytes, and around 56, where the padding needs another block, split at
    /// various places.
    #[test]
    fn it_agrees_with_another_implementation_at_every_length() {
        let bytes: Vec<u8> = (0..400u32).map(|n| (n * 31 % 251) as u8).collect();
        for length in 0..=300 {
            for cut in [0, 1, 55, 64, 65, length / 2] {
                let mut digest = Md5Digest::new();
                let (first, second) = bytes[..length].split_at(cut.min(length));
                digest.update(first.to_vec());
                digest.update(second.to_vec());
                let found = digest.finish().unwrap_or_else(|e| panic!("{e}"));
                let other = hex::encode(md5::Md5::digest(&bytes[..length]));
                assert_eq!(found.value(), other, "{length} bytes, cut at {cut}");
            }
        }
    }
}
