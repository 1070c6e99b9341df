//! LRU: the least recently used image goes first.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;

pub(super) struct Lru(Queue);

impl Lru {
    pub fn new(images: usize) -> Self {
        Lru(Queue::new(images))
    }
}

impl Policy for Lru {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.0.renew(request.image);
        Ok(())
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.0.push(request.image);
        Ok(())
    }

    fn evict(&mut self, _: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        Ok(self.0.pop())
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.0.remove(request.image);
        Ok(())
    }
}
