//! Memory for the bytes of images on their way: used again, and counted in a budget.

use super::read_budget::ReadBudget;
use bytes::Bytes;

/// Bytes in memory that is used again.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    /// What it counts for.
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

    /// The memory itself, for a caller that gives it back as long as it was.
    pub fn memory_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// So many bytes of it.
    pub fn filled_to(mut self, count: usize) -> Bytes {
        self.filled = count;
        Bytes::from_owner(self)
    }

    /// All of it: the bytes of a predecessor, too, if none came in their place.
    pub fn filled_up(self) -> Bytes {
        let all = self.bytes.len();
        self.filled_to(all)
    }
}

/// Buffers that count in a budget.
impl ReadBudget {
    /// With room for so many bytes, or for a block.
    pub(super) fn block(&self, bytes: usize) -> Buffer {
        Buffer::new(self, self.take_block(bytes))
    }

    /// The same, unless the budget is exceeded.
    pub(super) fn block_within(&self, bytes: usize) -> Option<Buffer> {
        // It counts from now on: they all may come in one moment.
        let buffer = self.block(bytes);
        self.has_room().then_some(buffer)
    }

    /// With room for so many bytes, or for a piece of a block.
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
        assert!(fresh.bytes.iter().all(|byte| *byte == 7), "its memory is used again");
        assert_eq!(budget.block(10).bytes.len(), 10, "a small image needs no block");
        assert_eq!(budget.piece(usize::MAX).bytes.len(), PIECE);
    }
}
