//! Memory for the bytes of images on their way: used again, and counted.

use super::cached::CHUNK;
use crate::sync::lock;
use bytes::Bytes;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a piece.
const PIECE: usize = CHUNK / 4;

/// Where more is held in this process, there are very many readers.
const MANY: usize = 16 << 20;

/// Bytes in buffers that are in use.
static HELD: AtomicUsize = AtomicUsize::new(0);

static BLOCKS: Spare = Spare { bytes: CHUNK, kept: 24, buffers: Mutex::new(Vec::new()) };

/// So many, since with them there are many readers.
static PIECES: Spare = Spare { bytes: PIECE, kept: 128, buffers: Mutex::new(Vec::new()) };

/// Buffers to be used again: fresh ones would have to be cleared, and lie about in each thread's share of memory when
/// they are given back to the allocator.
struct Spare {
    /// The length of each.
    bytes: usize,
    /// How many at most.
    kept: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Spare {
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
    spare: &'static Spare,
}

impl Buffer {
    /// With room for so many bytes, or for a block.
    pub fn of(bytes: usize) -> Buffer {
        Buffer::out_of(&BLOCKS, bytes)
    }

    /// The same, unless there are very many readers.
    pub fn unless_many_are_held(bytes: usize) -> Option<Buffer> {
        // It counts from now on: they all may come in one moment.
        let buffer = Buffer::of(bytes);
        (HELD.load(Ordering::Relaxed) <= MANY).then_some(buffer)
    }

    /// With room for so many bytes, or for a piece of a block.
    pub fn piece_of(bytes: usize) -> Buffer {
        Buffer::out_of(&PIECES, bytes)
    }

    fn out_of(spare: &'static Spare, bytes: usize) -> Buffer {
        let bytes = spare.buffer(bytes);
        let held = bytes.len();
        HELD.fetch_add(held, Ordering::Relaxed);
        Buffer { bytes, filled: 0, held, spare }
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
        HELD.fetch_sub(self.held, Ordering::Relaxed);
        self.spare.take_back(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_buffer_shows_only_what_was_read_into_it() {
        let mut used = Buffer::of(CHUNK);
        used.bytes.fill(7);
        drop(used.filled_up());
        let fresh = Buffer::of(usize::MAX);
        assert!(fresh.as_ref().is_empty() && fresh.bytes.len() == CHUNK);
        assert_eq!(Buffer::of(10).bytes.len(), 10, "a small image needs no block");
        assert_eq!(Buffer::piece_of(usize::MAX).bytes.len(), PIECE);
    }

    #[test]
    fn what_is_held_is_counted_until_it_is_let_go() {
        let buffer = |_| Buffer::unless_many_are_held(CHUNK).map(Buffer::filled_up);
        let many: Vec<_> = (0..1000).map_while(buffer).collect();
        assert!(!many.is_empty() && many.len() <= MANY / CHUNK, "{}", many.len());
        drop(many);
        assert!(Buffer::unless_many_are_held(CHUNK).is_some());
    }
}
