//! The memory that the tokio readers of a cache may use for cached images, and what happens beyond it.

use super::spare::Spare;
use image_cache_store::integrity::DIGEST_BLOCK;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Number of bytes that are read and verified at once.
pub(super) const VERIFIED_CHUNK: usize = DIGEST_BLOCK as usize;

/// Size of a piece in bytes.
pub(super) const PIECE: usize = VERIFIED_CHUNK / 4;

/// Default budget: bytes that readers may use before they get only pieces.
const DEFAULT_BYTES: usize = 16 << 20;

/// Maximum number of blocks read ahead, independent of the number of readers.
const AHEAD: usize = 8;

/// Maximum number of concurrent reads of pieces: each uses the memory of a whole block meanwhile.
const PIECE_PERMITS: usize = 4;

/// Numbers of buffers kept for reuse: more for pieces, because these are used when there are many readers.
const SPARE_BLOCKS: usize = 24;
const SPARE_PIECES: usize = 128;

/// The memory that the tokio readers of cached images share.
///
/// By default each cache has a budget of 16 MiB for all its readers and handles. Caches of one process can share one: see
/// [`AsyncImageCache::open_with`](super::AsyncImageCache::open_with). Within the budget, a reader reads whole blocks of 1 MiB,
/// and for up to eight readers the next block is read ahead. Beyond it, a reader gets pieces of 256 KiB, and its block is read
/// and verified again for each piece: slower, but no client waits for the network of another, and no read fails. So the budget is
/// not a hard limit: each reader may use one piece in addition. With a budget of 0, every reader gets pieces.
#[derive(Clone)]
pub struct ReadBudget(Arc<BudgetState>);

struct BudgetState {
    bytes: usize,
    held: AtomicUsize,
    /// Number of permits for reading ahead in use.
    ahead: AtomicUsize,
    piece_permits: Semaphore,
    blocks: Spare,
    pieces: Spare,
}

impl ReadBudget {
    /// A budget of this number of bytes.
    pub fn new(bytes: usize) -> ReadBudget {
        ReadBudget(Arc::new(BudgetState {
            bytes,
            held: AtomicUsize::new(0),
            ahead: AtomicUsize::new(0),
            piece_permits: Semaphore::new(PIECE_PERMITS),
            blocks: Spare::new(VERIFIED_CHUNK, SPARE_BLOCKS),
            pieces: Spare::new(PIECE, SPARE_PIECES),
        }))
    }

    /// A budget of as many bytes, for a forked child: readers of its parent use the other one.
    pub(crate) fn renewed(&self) -> ReadBudget {
        ReadBudget::new(self.0.bytes)
    }

    /// Bytes that are currently in use.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Whether readers are within the budget.
    pub(super) fn has_room(&self) -> bool {
        self.held() <= self.0.bytes
    }

    /// Memory for this number of bytes, at most a block. It counts until it is [given back](Self::give_back).
    pub(super) fn take_block(&self, bytes: usize) -> Vec<u8> {
        self.take(&self.0.blocks, bytes)
    }

    /// Memory for this number of bytes, at most a piece.
    pub(super) fn take_piece(&self, bytes: usize) -> Vec<u8> {
        self.take(&self.0.pieces, bytes)
    }

    fn take(&self, spare: &Spare, bytes: usize) -> Vec<u8> {
        let buffer = spare.buffer(bytes);
        self.0.held.fetch_add(buffer.len(), Ordering::Relaxed);
        buffer
    }

    /// Takes back memory that counted for `held` bytes, for reuse.
    pub(super) fn give_back(&self, buffer: &mut Vec<u8>, held: usize) {
        self.0.held.fetch_sub(held, Ordering::Relaxed);
        self.0.blocks.take_back(buffer);
        self.0.pieces.take_back(buffer);
    }

    /// A permit to read a block ahead; `None` if all are in use.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        let one_more = |given| (given < AHEAD).then_some(given + 1);
        let taken = self.0.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Ahead(self.clone()))
    }

    /// A permit to read a block for a piece; `None` if the semaphore is closed, which does not happen.
    pub(super) async fn piece_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.0.piece_permits.acquire().await.ok()
    }
}

impl Default for ReadBudget {
    fn default() -> Self {
        ReadBudget::new(DEFAULT_BYTES)
    }
}

impl fmt::Debug for ReadBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBudget")
            .field("bytes", &self.0.bytes)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

/// A permit to read a block ahead; the drop returns it.
pub(super) struct Ahead(ReadBudget);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.0.ahead.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::Buffer;
    use super::*;

    #[test]
    fn memory_counts_until_it_is_given_back() {
        let budget = ReadBudget::new(5 * VERIFIED_CHUNK);
        let buffer = |_| budget.block_within(VERIFIED_CHUNK).map(Buffer::filled_up);
        let many: Vec<_> = (0..1000).map_while(buffer).collect();
        assert_eq!((many.len(), budget.held()), (5, 5 * VERIFIED_CHUNK));
        let piece = budget.piece(usize::MAX);
        assert_eq!(
            budget.held(),
            5 * VERIFIED_CHUNK + PIECE,
            "a piece is always given, and counts"
        );
        drop((many, piece));
        assert!(budget.held() == 0 && budget.block_within(VERIFIED_CHUNK).is_some());
    }

    #[test]
    fn memory_of_another_budget_does_not_count() {
        let (full, other) = (ReadBudget::new(VERIFIED_CHUNK), ReadBudget::new(VERIFIED_CHUNK));
        let _held = [full.block(VERIFIED_CHUNK), full.block(VERIFIED_CHUNK)];
        assert!(
            full.block_within(VERIFIED_CHUNK).is_none()
                && other.block_within(VERIFIED_CHUNK).is_some()
        );
        assert!(full.clone().block_within(VERIFIED_CHUNK).is_none(), "a clone is the same budget");
    }

    #[test]
    fn permits_to_read_ahead_are_limited_and_reused() {
        let budget = ReadBudget::default();
        let mut permits: Vec<_> = (0..AHEAD).map_while(|_| budget.ahead()).collect();
        assert!(permits.len() == AHEAD && budget.ahead().is_none());
        assert!(budget.ahead().is_none(), "a refusal returns no permit");
        permits.pop();
        assert!(budget.ahead().is_some() && budget.ahead().is_some());
    }
}
