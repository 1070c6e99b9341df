//! Memory for the bytes of images on their way: used again, and counted in a budget.

use super::read_budget::ReadBudget;
use bytes::Bytes;
use image_cache_store::sync::lock;
use std::sync::Mutex;

/// Buffers to be used again: fresh ones would have to be cleared, and lie about in each thread's share of memory when
/// they are given back to the allocator.
pub(super) struct Spare {
    /// The length of each.
    bytes: usize,
    /// How many at most.
    kept: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Spare {
    /// None yet: at most `kept`, each of `bytes`.
    pub fn new(bytes: usize, kept: usize) -> Spare {
        Spare { bytes, kept, buffers: Mutex::new(Vec::new()) }
    }

    /// One of these, or a small one where that is enough.
    fn buffer(&self, bytes: usize) -> Vec<u8> {
        let used = if bytes < self.bytes { None } else { lock(&self.buffers).pop() };
        used.unwrap_or_else(|| vec![0; bytes.clamp(1, self.bytes)])
    }

    fn take_back(&self, buffer: &mut Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffer.len() == self.bytes && buffers.len() < self.kept {
            buffers.push(std::mem::take(buffer));
        }
    }
}

/// Bytes in memory that is used again.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    /// What it counts for.
    held: usize,
    budget: ReadBudget,
    spare: fn(&ReadBudget) -> &Spare,
}

impl Buffer {
    /// With room for so many bytes, or for as many as each of these spare ones has.
    pub fn new(budget: ReadBudget, spare: fn(&ReadBudget) -> &Spare, bytes: usize) -> Buffer {
        let bytes = spare(&budget).buffer(bytes);
        let held = bytes.len();
        Buffer { bytes, filled: 0, held, budget, spare }
    }

    /// What it counts for.
    pub fn size(&self) -> usize {
        self.held
    }

    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The memory itself, for whoever gives it back as long as it was.
    pub fn lent(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// So many bytes of it.
    pub fn filled_to(mut self, count: usize) -> Bytes {
        self.filled = count;
        Bytes::from_owner(self)
    }

    /// All of it: the bytes of a predecessor, too, where none came in their place.
    pub fn filled_up(self) -> Bytes {
        let all = self.bytes.len();
        self.filled_to(all)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.budget.release(self.held);
        (self.spare)(&self.budget).take_back(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cached::CHUNK;
    use super::super::read_budget::PIECE;
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
