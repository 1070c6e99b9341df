//! W-TinyLFU: new images enter an LRU window of a hundredth of the cache. Behind it is a segmented LRU. An image that leaves the
//! window stays only if it has been requested more often than the one that would be evicted for it.
//!
//! G. Einziger, R. Friedman, B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 13 (4),
//! 2017. Requests are counted exactly, not in a sketch; all counts are halved after ten requests for each cached image. An image
//! that is larger than the window competes at once, with one victim after the other: some may be evicted before it loses.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;

/// Requests for each cached image, after which all counts are halved.
const REQUESTS_PER_IMAGE: usize = 10;

/// The number of cached images for which requests are counted at least.
const MIN_IMAGES: usize = 10;

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
    /// The count of each image, and the era to which it belongs: each era halves all counts.
    counts: Vec<(u32, u32)>,
    era: u32,
    requests: usize,
    /// The number of cached images.
    cached: usize,
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
            counts: vec![(0, 0); images],
            era: 0,
            requests: 0,
            cached: 0,
        }
    }

    fn count(&mut self, image: u32) {
        self.counts[image as usize] = (self.count_of(image) + 1, self.era);
        self.requests += 1;
        if self.requests >= REQUESTS_PER_IMAGE * self.cached.max(MIN_IMAGES) {
            self.requests /= 2;
            self.era += 1;
        }
    }

    fn count_of(&self, image: u32) -> u32 {
        let (count, era) = self.counts[image as usize];
        count.checked_shr(self.era - era).unwrap_or(0)
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

    /// The image to evict for a request; `None` if the request itself is not worth it.
    fn victim(&mut self, request: &Request) -> Option<u32> {
        let victim = self.probation.oldest().or(self.protected.oldest());
        let Some(victim) = victim else { return self.window.oldest() };
        if request.size > self.window_capacity {
            let is_worth_it = self.count_of(request.image) > self.count_of(victim);
            return is_worth_it.then_some(victim);
        }
        // The request pushes the oldest image out of the window.
        let is_over = self.window_bytes + request.size > self.window_capacity;
        let Some(candidate) = self.window.oldest().filter(|_| is_over) else {
            return Some(victim);
        };
        if self.count_of(candidate) <= self.count_of(victim) {
            return Some(candidate);
        }
        self.take(candidate);
        self.probation.push(candidate);
        Some(victim)
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
        self.cached += 1;
        // Those that leave the window while there is room need not compete.
        while self.window_bytes > self.window_capacity {
            let Some(oldest) = self.window.pop() else { break };
            self.window_bytes -= self.size(oldest);
            self.probation.push(oldest);
        }
        Ok(())
    }

    fn evict(&mut self, request: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        let evicted = self.victim(request);
        if let Some(image) = evicted {
            self.take(image);
            self.cached -= 1;
        }
        Ok(evicted)
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.take(request.image);
        self.cached -= 1;
        Ok(())
    }
}
