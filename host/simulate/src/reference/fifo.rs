//! FIFO: the image that was cached first goes first.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;

pub(super) struct Fifo(Queue);

impl Fifo {
    pub fn new(images: usize) -> Self {
        Fifo(Queue::new(images))
    }
}

impl Policy for Fifo {
    fn hit(&mut self, _: &Request) -> Result<(), PolicyError> {
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
