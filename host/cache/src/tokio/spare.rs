//! Reusable buffers.

use image_cache_store::sync::lock;
use std::sync::Mutex;

/// Buffers for reuse. New buffers would have to be cleared, and freed ones would stay in the allocator's arenas of each thread.
pub(super) struct Spare {
    /// The length of each buffer.
    bytes: usize,
    /// The maximum number of buffers.
    kept: usize,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Spare {
    /// Starts empty; keeps at most `kept` buffers of `bytes` each.
    pub fn new(bytes: usize, kept: usize) -> Spare {
        Spare { bytes, kept, buffers: Mutex::new(Vec::new()) }
    }

    /// A buffer of this size, or a smaller new one if that is enough.
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
