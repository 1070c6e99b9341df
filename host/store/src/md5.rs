//! MD5 of a stream, computed in a thread of its own.

use fast_md5::Md5;
use image_cache_model::{Checksum, ChecksumAlgorithm};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// A block's worth of bytes: what is written and hashed at once.
pub const BLOCK: usize = 256 * 1024;

/// Blocks on their way to the thread that hashes them.
const BLOCKS_UNDER_WAY: usize = 8;

/// Computes an MD5 beside whatever else is done with the bytes: once a block has come, in a thread of
/// its own, since MD5 is slower than copying and writing together.
///
/// It is what bounds a fill, so it is made by the crate `fast-md5`: its assembly for x86-64 takes 79 % of the time of the
/// crate `md-5` (948 and 747 MB/s on a Zen 5 core), which the tests hold it against.
pub struct Md5Digest {
    state: State,
    taken: usize,
}

enum State {
    Here(Md5),
    Thread { blocks: SyncSender<Vec<u8>>, done_with: Receiver<Vec<u8>>, thread: JoinHandle<Md5> },
}

impl Default for Md5Digest {
    fn default() -> Self {
        Md5Digest::new()
    }
}

impl Md5Digest {
    /// The digest of no bytes yet.
    pub fn new() -> Self {
        Md5Digest { state: State::Here(Md5::new()), taken: 0 }
    }

    /// Takes the next bytes, and answers an empty buffer for those after them.
    pub fn update(&mut self, block: Vec<u8>) -> Vec<u8> {
        self.taken = self.taken.saturating_add(block.len());
        if self.taken >= BLOCK
            && let State::Here(md5) = &mut self.state
            && let Ok(thread) = in_thread(md5)
        {
            self.state = thread;
        }
        match &mut self.state {
            State::Here(md5) => {
                md5.update(&block);
                emptied(block)
            }
            State::Thread { blocks, done_with, .. } => {
                // The thread ends only when this sender is dropped.
                let _ = blocks.send(block);
                done_with.try_recv().map_or_else(|_| Vec::with_capacity(BLOCK), emptied)
            }
        }
    }

    /// The digest of all that was given, in lower-case hexadecimal; an error only if the hashing thread
    /// was lost.
    pub fn finish(self) -> std::io::Result<Checksum> {
        let md5 = match self.state {
            State::Here(md5) => md5,
            State::Thread { blocks, done_with, thread } => {
                drop(blocks);
                drop(done_with);
                thread.join().map_err(|_| {
                    std::io::Error::other("the thread that computes the MD5 was lost")
                })?
            }
        };
        let digits = hex::encode(md5.finalize());
        Checksum::new(ChecksumAlgorithm::Md5, &digits).map_err(std::io::Error::other)
    }
}

/// Hands it to a thread; it stays as it is where there can be none.
fn in_thread(md5: &mut Md5) -> std::io::Result<State> {
    let (blocks, incoming) = sync_channel::<Vec<u8>>(BLOCKS_UNDER_WAY);
    let (give_back, done_with) = channel();
    let (hand_over, handed_over) = channel();
    let thread = std::thread::Builder::new().name("image-cache-md5".into()).spawn(move || {
        // Whoever started this hands it over at once.
        let mut md5: Md5 = handed_over.recv().unwrap_or_else(|_| Md5::new());
        for block in incoming {
            md5.update(&block);
            // Nobody takes buffers back once the stream has ended.
            let _ = give_back.send(block);
        }
        md5
    })?;
    // The thread waits for it.
    let _ = hand_over.send(std::mem::replace(md5, Md5::new()));
    Ok(State::Thread { blocks, done_with, thread })
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
        for sizes in [vec![], vec![5], vec![BLOCK], vec![3, BLOCK, BLOCK, 5]] {
            let mut digest = Md5Digest::new();
            for size in &sizes {
                digest.update(vec![7; *size]);
            }
            let whole = hex::encode(md5::Md5::digest(vec![7; sizes.iter().sum()]));
            let found = digest.finish().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(found.value(), whole, "blocks of {sizes:?}");
        }
    }

    /// Lengths around the algorithm's own blocks of 64 bytes and the 56 after which its padding takes another one, in pieces
    /// that are cut anywhere.
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
