//! S3-FIFO: new images enter a small queue of a tenth of the cache. Those that are used again move on to the main queue; the
//! others are evicted, and their ids are remembered. An image that comes back while it is remembered enters the main queue.
//!
//! J. Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023. As in the authors' simulator, an image that is
//! larger than the small queue is not admitted, an image moves on after two uses, and while nothing has been evicted yet, images
//! that find the small queue full enter the main one.

use super::queue::Queue;
use crate::policy::{Policy, PolicyError};
use crate::trace::Request;
use std::collections::HashMap;

/// Uses in the small queue after which an image moves to the main one.
const USES_TO_MOVE: u8 = 2;

/// The highest count of uses.
const MAX_USES: u8 = 3;

pub(super) struct S3Fifo {
    small: SizedQueue,
    main: SizedQueue,
    /// Evicted images.
    ghost: SizedQueue,
    uses: Vec<u8>,
    /// Whether the image that is about to be cached was remembered.
    is_back: bool,
    has_evicted: bool,
}

/// A queue with a share of the cache.
struct SizedQueue {
    queue: Queue,
    sizes: HashMap<u32, u64>,
    bytes: u64,
    capacity: u64,
}

impl SizedQueue {
    fn new(images: usize, capacity: u64) -> Self {
        SizedQueue { queue: Queue::new(images), sizes: HashMap::new(), bytes: 0, capacity }
    }

    fn push(&mut self, image: u32, size: u64) {
        self.queue.push(image);
        self.sizes.insert(image, size);
        self.bytes += size;
    }

    /// The size of the image that was removed, if it was in the queue.
    fn remove(&mut self, image: u32) -> Option<u64> {
        self.queue.remove(image);
        let size = self.sizes.remove(&image)?;
        self.bytes -= size;
        Some(size)
    }

    fn pop(&mut self) -> Option<(u32, u64)> {
        let image = self.queue.oldest()?;
        self.remove(image).map(|size| (image, size))
    }
}

impl S3Fifo {
    pub fn new(images: usize, capacity: u64) -> Self {
        let small = capacity / 10;
        let queue = |capacity| SizedQueue::new(images, capacity);
        S3Fifo {
            small: queue(small),
            main: queue(capacity - small),
            ghost: queue((capacity as f64 * 0.9) as u64),
            uses: vec![0; images],
            is_back: false,
            has_evicted: false,
        }
    }

    /// Evicts from the small queue; images that were used move on.
    fn evict_small(&mut self) -> Option<u32> {
        while let Some((image, size)) = self.small.pop() {
            if self.uses[image as usize] >= USES_TO_MOVE {
                self.uses[image as usize] = 0;
                self.main.push(image, size);
            } else {
                self.remember(image, size);
                return Some(image);
            }
        }
        None
    }

    /// Evicts from the main queue; images that were used go round once more.
    fn evict_main(&mut self) -> Option<u32> {
        while let Some((image, size)) = self.main.pop() {
            let uses = &mut self.uses[image as usize];
            if *uses == 0 {
                return Some(image);
            }
            *uses = (*uses).min(MAX_USES) - 1;
            self.main.push(image, size);
        }
        None
    }

    fn remember(&mut self, image: u32, size: u64) {
        if size > self.ghost.capacity {
            return;
        }
        while self.ghost.bytes + size > self.ghost.capacity && self.ghost.pop().is_some() {}
        self.ghost.push(image, size);
    }
}

impl Policy for S3Fifo {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        let uses = &mut self.uses[request.image as usize];
        *uses = uses.saturating_add(1);
        Ok(())
    }

    fn admits(&mut self, request: &Request) -> Result<bool, PolicyError> {
        self.is_back = self.ghost.remove(request.image).is_some();
        Ok(request.size <= self.small.capacity)
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.uses[request.image as usize] = 0;
        let is_warming_up = !self.has_evicted && self.small.bytes >= self.small.capacity;
        let queue = if self.is_back || is_warming_up { &mut self.main } else { &mut self.small };
        queue.push(request.image, request.size);
        Ok(())
    }

    fn evict(&mut self, _: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        self.has_evicted = true;
        if self.main.bytes > self.main.capacity || self.small.bytes == 0 {
            return Ok(self.evict_main().or_else(|| self.evict_small()));
        }
        Ok(self.evict_small().or_else(|| self.evict_main()))
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        let image = request.image;
        self.small.remove(image).or_else(|| self.main.remove(image));
        Ok(())
    }
}
