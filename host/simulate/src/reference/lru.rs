//! LRU and FIFO: the image that was used, or cached, least recently goes first.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;

pub(super) struct Lru {
    queue: Queue,
    /// Whether a use counts, and not only the time when an image was cached.
    counts_uses: bool,
}

impl Lru {
    pub fn new(images: usize) -> Self {
        Lru { queue: Queue::new(images), counts_uses: true }
    }

    pub fn fifo(images: usize) -> Self {
        Lru { queue: Queue::new(images), counts_uses: false }
    }
}

impl Policy for Lru {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        if self.counts_uses {
            self.queue.renew(request.image);
        }
        Ok(())
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.queue.push(request.image);
        Ok(())
    }

    fn evict(&mut self, _: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        Ok(self.queue.pop())
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.queue.remove(request.image);
        Ok(())
    }
}
