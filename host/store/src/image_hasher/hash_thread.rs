//! A thread that hashes blocks by one algorithm.

use super::running_digest::RunningDigest;
use image_cache_model::ChecksumAlgorithm;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Blocks that can wait for the thread.
const QUEUED_BLOCKS: usize = 8;

/// A thread that hashes blocks by one algorithm. A drop ends it after the blocks that wait.
pub(super) struct HashThread {
    algorithm: ChecksumAlgorithm,
    blocks: SyncSender<Arc<Vec<u8>>>,
    thread: JoinHandle<Option<RunningDigest>>,
}

impl HashThread {
    /// Moves the digest to a new thread, which sends each block to `recycle` if no other thread still needs it. Returns the digest
    /// if no thread can be started.
    pub fn start(
        digest: RunningDigest,
        recycle: Sender<Vec<u8>>,
    ) -> Result<HashThread, RunningDigest> {
        let (blocks, incoming) = sync_channel::<Arc<Vec<u8>>>(QUEUED_BLOCKS);
        let (move_digest, moved_digest) = channel::<RunningDigest>();
        let hash = move || {
            // The other thread sends it right after starting this one.
            let mut digest = moved_digest.recv().ok()?;
            for block in incoming {
                digest.update(&block);
                if let Some(block) = Arc::into_inner(block) {
                    // After the end of the stream no thread receives buffers.
                    let _ = recycle.send(block);
                }
            }
            Some(digest)
        };
        let algorithm = digest.algorithm();
        match Builder::new().name(format!("image-cache-{}", algorithm.name())).spawn(hash) {
            Ok(thread) => {
                // The thread waits for this message.
                let _ = move_digest.send(digest);
                Ok(HashThread { algorithm, blocks, thread })
            }
            Err(_) => Err(digest),
        }
    }

    /// Hashes the next block; waits if too many blocks wait.
    pub fn hash(&self, block: Arc<Vec<u8>>) {
        // The thread ends only when this sender is dropped, unless it panicked, which `finish` reports.
        let _ = self.blocks.send(block);
    }

    /// Waits for the digest of all blocks.
    ///
    /// # Errors
    /// If the thread panicked.
    pub fn finish(self) -> io::Result<RunningDigest> {
        let HashThread { algorithm, blocks, thread } = self;
        drop(blocks);
        let panicked =
            || io::Error::other(format!("the thread that computes the {algorithm} panicked"));
        thread.join().ok().flatten().ok_or_else(panicked)
    }
}
