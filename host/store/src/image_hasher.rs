//! The digests of a stream of bytes, computed in separate threads.

mod algorithms;
#[cfg(feature = "fast-md5")]
mod fast_md5;
mod hash_thread;
mod running_digest;

use hash_thread::HashThread;
use image_cache_model::{Checksum, ChecksumAlgorithm};
use running_digest::RunningDigest;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// Bytes that are written and hashed at once. Block digests use larger blocks: [`DIGEST_BLOCK`](crate::integrity::DIGEST_BLOCK).
pub const WRITE_BLOCK: usize = 256 * 1024;

/// Computes the digests of an image while the caller writes its bytes, in one pass: after the first block each algorithm in a
/// thread of its own, since hashing is slower than copying and writing together. A drop without [`finish`](Self::finish) ends the
/// threads.
///
/// The threads share each block: it is not copied, and it returns to the caller after the last of them has hashed it.
///
/// ```
/// use image_cache_model::ChecksumAlgorithm;
/// use image_cache_store::image_hasher::ImageHasher;
/// let mut hasher = ImageHasher::new([ChecksumAlgorithm::Sha512, ChecksumAlgorithm::Md5]);
/// let buffer = hasher.update(b"hel".to_vec());
/// assert!(buffer.is_empty());
/// hasher.update(b"lo".to_vec());
/// let digests = hasher.finish()?;
/// assert_eq!(digests[0].value(), "5d41402abc4b2a76b9719d911017c592");
/// assert_eq!(digests[1].algorithm(), ChecksumAlgorithm::Sha512);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct ImageHasher {
    /// What the caller's thread hashes: everything before the first block is full, later only the algorithms for which no thread
    /// could be started.
    inline: Vec<RunningDigest>,
    threads: Vec<HashThread>,
    /// Hashed blocks, once the threads were started.
    recycled: Option<Receiver<Vec<u8>>>,
    /// Bytes before that.
    bytes: usize,
}

impl ImageHasher {
    /// Starts without bytes. An algorithm that occurs twice is computed once.
    pub fn new(algorithms: impl IntoIterator<Item = ChecksumAlgorithm>) -> Self {
        let mut hasher = ImageHasher::default();
        for algorithm in algorithms {
            if hasher.inline.iter().all(|digest| digest.algorithm() != algorithm) {
                hasher.inline.push(RunningDigest::new(algorithm));
            }
        }
        hasher
    }

    /// Adds the next bytes, and returns an empty buffer for the following ones.
    pub fn update(&mut self, block: Vec<u8>) -> Vec<u8> {
        if self.recycled.is_none() {
            self.bytes = self.bytes.saturating_add(block.len());
            if self.bytes >= WRITE_BLOCK {
                self.start_threads();
            }
        }
        if self.threads.is_empty() {
            self.inline.iter_mut().for_each(|digest| digest.update(&block));
            return emptied(block);
        }
        let block = Arc::new(block);
        self.threads.iter().for_each(|thread| thread.hash(Arc::clone(&block)));
        self.inline.iter_mut().for_each(|digest| digest.update(&block));
        let hashed = Arc::into_inner(block);
        let hashed = hashed.or_else(|| self.recycled.as_ref()?.try_recv().ok());
        hashed.map_or_else(|| Vec::with_capacity(WRITE_BLOCK), emptied)
    }

    /// The digests of all bytes, one for each algorithm, sorted by algorithm.
    ///
    /// # Errors
    /// If a hashing thread panicked, or if an algorithm is not implemented.
    pub fn finish(self) -> io::Result<Vec<Checksum>> {
        let ImageHasher { inline, threads, recycled, .. } = self;
        drop(recycled);
        let threads = threads.into_iter().map(HashThread::finish);
        let digests = inline.into_iter().map(Ok).chain(threads);
        let mut found = digests.map(|digest| digest?.finish()).collect::<io::Result<Vec<_>>>()?;
        found.sort_unstable_by_key(Checksum::algorithm);
        Ok(found)
    }

    fn start_threads(&mut self) {
        let (recycle, recycled) = channel();
        for digest in std::mem::take(&mut self.inline) {
            match HashThread::start(digest, recycle.clone()) {
                Ok(thread) => self.threads.push(thread),
                Err(digest) => self.inline.push(digest),
            }
        }
        self.recycled = Some(recycled);
    }
}

fn emptied(mut block: Vec<u8>) -> Vec<u8> {
    block.clear();
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest;

    /// All digests of some bytes, by the crates of RustCrypto.
    fn digests_of(bytes: &[u8]) -> [String; 3] {
        let (md5, sha256) = (md5::Md5::digest(bytes), sha2::Sha256::digest(bytes));
        [hex::encode(md5), hex::encode(sha256), hex::encode(sha2::Sha512::digest(bytes))]
    }

    fn found(hasher: ImageHasher) -> Vec<String> {
        let found = hasher.finish().unwrap_or_else(|e| panic!("{e}"));
        found.iter().map(|digest| digest.value().to_owned()).collect()
    }

    #[test]
    fn the_digests_are_the_same_whether_threads_compute_them_or_not() {
        for sizes in [vec![], vec![5], vec![WRITE_BLOCK], vec![3, WRITE_BLOCK, WRITE_BLOCK, 5]] {
            let mut hasher = ImageHasher::new(ChecksumAlgorithm::ALL.iter().copied());
            for (nth, size) in sizes.iter().enumerate() {
                assert!(hasher.update(vec![nth as u8; *size]).is_empty());
            }
            let blocks = sizes.iter().enumerate().map(|(nth, size)| vec![nth as u8; *size]);
            assert_eq!(
                found(hasher),
                digests_of(&blocks.flatten().collect::<Vec<_>>()),
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn each_algorithm_gets_every_block_of_a_long_stream_and_the_buffers_return() {
        let algorithms = ChecksumAlgorithm::ALL;
        for count in 1..=algorithms.len() {
            let mut hasher = ImageHasher::new(algorithms[..count].iter().copied());
            let (mut whole, mut returned) = (Vec::new(), 0);
            for nth in 0..100 {
                // New buffers have less capacity.
                let mut block = Vec::with_capacity(WRITE_BLOCK + 4096);
                block.resize(WRITE_BLOCK, nth);
                whole.extend_from_slice(&block);
                returned += u32::from(hasher.update(block).capacity() > WRITE_BLOCK);
            }
            assert_eq!((hasher.threads.len(), hasher.inline.len()), (count, 0));
            assert_eq!(found(hasher), digests_of(&whole)[..count]);
            assert!(returned > 50, "only {returned} buffers returned");
        }
    }

    #[test]
    fn an_algorithm_that_is_requested_twice_is_computed_once() {
        let md5 = ChecksumAlgorithm::Md5;
        let mut hasher = ImageHasher::new([ChecksumAlgorithm::Sha512, md5, md5]);
        hasher.update(b"hello".to_vec());
        let [md5, _, sha512] = digests_of(b"hello");
        assert_eq!(found(hasher), [md5, sha512], "sorted by algorithm");
        assert!(found(ImageHasher::default()).is_empty());
    }
}
