//! W-TinyLFU: new images enter an LRU window of a hundredth of the cache. Behind it is a segmented LRU. An image that leaves the
//! window stays only if it has been requested more often than the one that would be evicted for it.
//!
//! G. Einziger, R. Friedman, B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 13 (4),
//! 2017. Requests are counted exactly, not in a sketch; all counts are halved after ten requests for each image of the trace.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;

/// Requests for each image of the trace, after which all counts are halved.
const REQUESTS_PER_IMAGE: usize = 10;

pub(super) struct WTinyLfu {
    window: Queue,
    /// Images that were not used since they left the window.
    probation: Queue,
    /// Images that were used since then.
    protected: Queue,
    sizes: Vec<u64>,
    window_bytes: u64,
    window_capacity: u64,
    protected_bytes: u64,
    protected_capacity: u64,
    counts: Vec<u32>,
    requests: usize,
}

impl WTinyLfu {
    pub fn new(images: usize, capacity: u64) -> Self {
        let window_capacity = capacity / 100;
        WTinyLfu {
            window: Queue::new(images),
            probation: Queue::new(images),
            protected: Queue::new(images),
            sizes: vec![0; images],
            window_bytes: 0,
            window_capacity,
            protected_bytes: 0,
            protected_capacity: (capacity - window_capacity) / 5 * 4,
            counts: vec![0; images],
            requests: 0,
        }
    }

    fn count(&mut self, image: u32) {
        self.counts[image as usize] += 1;
        self.requests += 1;
        if self.requests >= REQUESTS_PER_IMAGE * self.counts.len() {
            self.requests /= 2;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }

    fn count_of(&self, image: u32) -> u32 {
        self.counts[image as usize]
    }

    fn size(&self, image: u32) -> u64 {
        self.sizes[image as usize]
    }

    /// Moves an image that was used on probation to the protected segment, and the oldest ones there back.
    fn protect(&mut self, image: u32) {
        self.probation.remove(image);
        self.protected.push(image);
        self.protected_bytes += self.size(image);
        while self.protected_bytes > self.protected_capacity {
            let Some(oldest) = self.protected.pop() else { break };
            self.protected_bytes -= self.size(oldest);
            self.probation.push(oldest);
        }
    }

    fn take(&mut self, image: u32) {
        if self.window.remove(image) {
            self.window_bytes -= self.size(image);
        } else if self.protected.remove(image) {
            self.protected_bytes -= self.size(image);
        } else {
            self.probation.remove(image);
        }
    }
}

impl Policy for WTinyLfu {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.count(request.image);
        if self.probation.contains(request.image) {
            self.protect(request.image);
        }
        self.window.renew(request.image);
        self.protected.renew(request.image);
        Ok(())
    }

    fn admits(&mut self, request: &Request) -> Result<bool, PolicyError> {
        self.count(request.image);
        Ok(true)
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.sizes[request.image as usize] = request.size;
        self.window.push(request.image);
        self.window_bytes += request.size;
        // Those that leave the window while there is room need not compete.
        while self.window_bytes > self.window_capacity {
            let Some(oldest) = self.window.pop() else { break };
            self.window_bytes -= self.size(oldest);
            self.probation.push(oldest);
        }
        Ok(())
    }

    fn evict(&mut self, request: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        let victim = self.probation.oldest().or(self.protected.oldest());
        let Some(victim) = victim else {
            let oldest = self.window.oldest();
            oldest.into_iter().for_each(|image| self.take(image));
            return Ok(oldest);
        };
        // Room for the request in the window pushes its oldest image out; without one, the request itself competes.
        let is_over = self.window_bytes + request.size > self.window_capacity;
        let candidate = self.window.oldest().filter(|_| is_over);
        let competitor = candidate.unwrap_or(request.image);
        if is_over && self.count_of(competitor) <= self.count_of(victim) {
            candidate.into_iter().for_each(|image| self.take(image));
            return Ok(candidate);
        }
        self.take(victim);
        if let Some(candidate) = candidate {
            self.take(candidate);
            self.probation.push(candidate);
        }
        Ok(Some(victim))
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.take(request.image);
        Ok(())
    }
}
