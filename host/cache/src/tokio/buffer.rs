//! Memory for image bytes: reused, and counted in a budget.

use super::read_budget::ReadBudget;
use bytes::Bytes;

/// A reusable buffer.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    /// The bytes that it counts in the budget.
    held: usize,
    budget: ReadBudget,
}

impl Buffer {
    fn new(budget: &ReadBudget, bytes: Vec<u8>) -> Buffer {
        Buffer { filled: 0, held: bytes.len(), bytes, budget: budget.clone() }
    }

    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The memory itself; the caller must not change its length.
    pub fn memory_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The first `count` bytes.
    pub fn filled_to(mut self, count: usize) -> Bytes {
        self.filled = count;
        Bytes::from_owner(self)
    }

    /// The whole buffer, including old bytes that were not overwritten.
    pub fn filled_up(self) -> Bytes {
        let all = self.bytes.len();
        self.filled_to(all)
    }
}

/// Buffers that count in a budget.
impl ReadBudget {
    /// A buffer for this number of bytes, at most a block.
    pub(super) fn block(&self, bytes: usize) -> Buffer {
        Buffer::new(self, self.take_block(bytes))
    }

    /// Like [`block`](Self::block); `None` if the budget is exceeded.
    pub(super) fn block_within(&self, bytes: usize) -> Option<Buffer> {
        // It counts before the check, because many calls may run at the same time.
        let buffer = self.block(bytes);
        self.has_room().then_some(buffer)
    }

    /// A buffer for this number of bytes, at most a piece of a block.
    pub(super) fn piece(&self, bytes: usize) -> Buffer {
        Buffer::new(self, self.take_piece(bytes))
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.budget.give_back(&mut self.bytes, self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_budget::{PIECE, VERIFIED_CHUNK as CHUNK};
    use super::*;

    #[test]
    fn a_used_buffer_shows_only_what_was_read_into_it() {
        let budget = ReadBudget::default();
        let mut used = budget.block(CHUNK);
        used.bytes.fill(7);
        drop(used.filled_up());
        let fresh = budget.block(usize::MAX);
        assert!(fresh.as_ref().is_empty() && fresh.bytes.len() == CHUNK);
        assert!(fresh.bytes.iter().all(|byte| *byte == 7), "its memory is reused");
        assert_eq!(budget.block(10).bytes.len(), 10, "a small image needs no block");
        assert_eq!(budget.piece(usize::MAX).bytes.len(), PIECE);
    }
}
