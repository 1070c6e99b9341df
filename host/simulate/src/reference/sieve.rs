//! SIEVE: a FIFO queue, and a hand that moves from the oldest image to the newest. It clears the mark of images that were used,
//! and evicts the first one without a mark.
//!
//! Y. Zhang et al., "SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for Web Caches", NSDI 2024.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;

pub(super) struct Sieve {
    queue: Queue,
    used: Vec<bool>,
    /// The image at which the next search starts; the oldest one if there is none.
    hand: Option<u32>,
}

impl Sieve {
    pub fn new(images: usize) -> Self {
        Sieve { queue: Queue::new(images), used: vec![false; images], hand: None }
    }

    fn take(&mut self, image: u32) {
        if self.hand == Some(image) {
            self.hand = self.queue.newer(image);
        }
        self.queue.remove(image);
    }
}

impl Policy for Sieve {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.used[request.image as usize] = true;
        Ok(())
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.used[request.image as usize] = false;
        self.queue.push(request.image);
        Ok(())
    }

    fn evict(&mut self, _: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        let mut at = self.hand.or(self.queue.oldest());
        while let Some(image) = at {
            if !std::mem::take(&mut self.used[image as usize]) {
                self.hand = Some(image);
                self.take(image);
                return Ok(Some(image));
            }
            at = self.queue.newer(image).or(self.queue.oldest());
        }
        Ok(None)
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.take(request.image);
        Ok(())
    }
}
