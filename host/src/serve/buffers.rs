//! Buffers for the blocks of images, which are used again: fresh memory costs a fault for each of its pages.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes in a buffer: a block of the cache, so that it is read into it directly.
pub const BLOCK: usize = 1 << 20;

/// So many are kept for whoever comes next.
const KEPT: usize = 16;

/// As long as fewer are in use, blocks are read before they are needed, and handed out as they are.
const PLENTY: usize = 24;

/// What is handed out at once where blocks are scarce.
const PIECE: usize = 128 << 10;

static FREE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Room for a block.
pub struct Buffer {
    room: Box<[u8]>,
    used: usize,
}

impl Buffer {
    pub fn new() -> Buffer {
        IN_USE.fetch_add(1, Ordering::Relaxed);
        let room = free().pop().unwrap_or_else(|| vec![0; BLOCK].into());
        Buffer { room, used: 0 }
    }

    /// All of it, to be read into.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.room
    }

    /// The first bytes of it, which are not copied: it can be used again when they are dropped.
    pub fn into_bytes(mut self, used: usize) -> Bytes {
        self.used = used;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.room[..self.used]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        IN_USE.fetch_sub(1, Ordering::Relaxed);
        let mut free = free();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.room));
        }
    }
}

/// A block as it is handed out: whole or, where many clients have one, in pieces with memory of their own. A client
/// that is slow then holds no more than it has yet to take, and the block is used again at once.
pub fn apportioned(block: Bytes) -> VecDeque<Bytes> {
    match are_plenty() {
        true => [block].into(),
        false => block.chunks(PIECE).map(Bytes::copy_from_slice).collect(),
    }
}

/// Whether there is memory for blocks that are not needed yet.
pub fn are_plenty() -> bool {
    IN_USE.load(Ordering::Relaxed) < PLENTY
}

fn free() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}
