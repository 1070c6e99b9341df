//! How much memory the tokio readers of a cache may take for the bytes of cached images, and what they do beyond that.

use super::spare::Spare;
use image_cache_store::integrity::DIGEST_BLOCK;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that are read and verified at once.
pub(super) const VERIFIED_CHUNK: usize = DIGEST_BLOCK as usize;

/// Bytes of a piece.
pub(super) const PIECE: usize = VERIFIED_CHUNK / 4;

/// Bytes that readers may hold before each of them gets pieces only, unless the embedder says otherwise.
const DEFAULT_BYTES: usize = 16 << 20;

/// Blocks that may be read ahead: no memory for each of very many readers.
const AHEAD: usize = 8;

/// So many blocks are read at once for pieces: each takes the memory of a whole one meanwhile.
const PIECE_PERMITS: usize = 4;

/// So many buffers are kept to be used again: of pieces more, since with them there are many readers.
const SPARE_BLOCKS: usize = 24;
const SPARE_PIECES: usize = 128;

/// The memory that the tokio readers of cached images share.
///
/// Each cache has one of its own, of 16 MiB, for all its readers and for every handle of it. Caches of one process can share one:
/// see [`AsyncImageCache::open_with`](super::AsyncImageCache::open_with). While its readers hold no more than the budget, each
/// takes an image in whole blocks of 1 MiB, and eight at a time have the next block read ahead of them. Beyond it a reader gets pieces of
/// 256 KiB, and for each of them its block is read and verified again: slower, but no client waits for another one's network, and
/// none fails. So the budget is not a hard limit: a piece for each reader comes on top of it. A budget of 0 gives every
/// reader pieces.
#[derive(Clone)]
pub struct ReadBudget(Arc<BudgetState>);

struct BudgetState {
    bytes: usize,
    held: AtomicUsize,
    /// Blocks that are being read ahead, or were.
    ahead: AtomicUsize,
    piece_permits: Semaphore,
    blocks: Spare,
    pieces: Spare,
}

impl ReadBudget {
    /// Of so many bytes.
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

    /// Bytes that are in use now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Whether readers hold no more than they may.
    pub(super) fn has_room(&self) -> bool {
        self.held() <= self.0.bytes
    }

    /// Memory for so many bytes, or for a block. It counts until it is [given back](Self::give_back).
    pub(super) fn take_block(&self, bytes: usize) -> Vec<u8> {
        self.take(&self.0.blocks, bytes)
    }

    /// The same for a piece.
    pub(super) fn take_piece(&self, bytes: usize) -> Vec<u8> {
        self.take(&self.0.pieces, bytes)
    }

    fn take(&self, spare: &Spare, bytes: usize) -> Vec<u8> {
        let buffer = spare.buffer(bytes);
        self.0.held.fetch_add(buffer.len(), Ordering::Relaxed);
        buffer
    }

    /// Takes back memory that counted for so many bytes, to be used again.
    pub(super) fn give_back(&self, buffer: &mut Vec<u8>, held: usize) {
        self.0.held.fetch_sub(held, Ordering::Relaxed);
        self.0.blocks.take_back(buffer);
        self.0.pieces.take_back(buffer);
    }

    /// A permit to read a block ahead, unless too many are given.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        let one_more = |given| (given < AHEAD).then_some(given + 1);
        let taken = self.0.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Ahead(self.clone()))
    }

    /// A permit to read a block for a piece of it; none if the semaphore is closed, which does not happen.
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

/// Leave to read a block ahead, given back when it is dropped.
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
    fn what_is_held_is_counted_until_it_is_let_go() {
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
    fn what_others_hold_does_not_count() {
        let (full, other) = (ReadBudget::new(VERIFIED_CHUNK), ReadBudget::new(VERIFIED_CHUNK));
        let _held = [full.block(VERIFIED_CHUNK), full.block(VERIFIED_CHUNK)];
        assert!(
            full.block_within(VERIFIED_CHUNK).is_none()
                && other.block_within(VERIFIED_CHUNK).is_some()
        );
        assert!(full.clone().block_within(VERIFIED_CHUNK).is_none(), "a clone is the same budget");
    }

    #[test]
    fn no_more_is_read_ahead_than_is_allowed_and_what_is_given_back_is_given_again() {
        let budget = ReadBudget::default();
        let mut permits: Vec<_> = (0..AHEAD).map_while(|_| budget.ahead()).collect();
        assert!(permits.len() == AHEAD && budget.ahead().is_none());
        assert!(budget.ahead().is_none(), "a refusal gives none back");
        permits.pop();
        assert!(budget.ahead().is_some() && budget.ahead().is_some());
    }
}
