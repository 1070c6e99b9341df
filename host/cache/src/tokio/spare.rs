//! Memory that is used again.

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

    /// One of these, or a small one if that is enough.
    pub fn buffer(&self, bytes: usize) -> Vec<u8> {
        let used = if bytes < self.bytes { None } else { lock(&self.buffers).pop() };
        used.unwrap_or_else(|| vec![0; bytes.clamp(1, self.bytes)])
    }

    pub fn take_back(&self, buffer: &mut Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffer.len() == self.bytes && buffers.len() < self.kept {
            buffers.push(std::mem::take(buffer));
        }
    }
}
