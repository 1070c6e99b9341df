//! Belady's MIN: the image whose next request is furthest away goes first, and of images that are not requested again the one
//! with the highest number. If that is the requested image, it is not cached. It reads the whole trace in advance. It is optimal
//! only if all images have the same size; otherwise some may be evicted before the requested image loses.
//!
//! L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5 (2), 1966.

use crate::policy::{Policy, PolicyError};
use crate::trace::{Request, Trace};
use std::collections::BTreeSet;

pub(super) struct Belady {
    /// The times of the requests of each image that are still to come, the next one last.
    coming: Vec<Vec<u64>>,
    /// The cached images by the time of their next request.
    order: BTreeSet<(u64, u32)>,
    next: Vec<u64>,
}

impl Belady {
    pub fn new(trace: &Trace) -> Self {
        let mut coming = vec![Vec::new(); trace.images.len()];
        for request in trace.requests.iter().rev() {
            coming[request.image as usize].push(request.at);
        }
        Belady { next: vec![0; coming.len()], coming, order: BTreeSet::new() }
    }

    /// The time of the image's next request after this one.
    fn next(&mut self, request: &Request) -> u64 {
        let coming = &mut self.coming[request.image as usize];
        while coming.last().is_some_and(|at| *at <= request.at) {
            coming.pop();
        }
        coming.last().copied().unwrap_or(u64::MAX)
    }

    fn take(&mut self, image: u32) {
        self.order.remove(&(self.next[image as usize], image));
    }

    fn place(&mut self, request: &Request) {
        self.take(request.image);
        let next = self.next(request);
        self.next[request.image as usize] = next;
        self.order.insert((next, request.image));
    }
}

impl Policy for Belady {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.place(request);
        Ok(())
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.place(request);
        Ok(())
    }

    fn evict(&mut self, request: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        let next = self.next(request);
        let furthest = self.order.last().copied().filter(|(at, _)| *at >= next);
        Ok(furthest.map(|furthest| {
            self.order.remove(&furthest);
            furthest.1
        }))
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.take(request.image);
        Ok(())
    }
}
