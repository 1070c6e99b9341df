//! LFU and GDSF: the image with the lowest priority goes first, and of equals the least recently used.
//!
//! LFU's priority is the number of uses. That of GDSF is `clock + uses / size`, where the clock is the priority that was evicted
//! last: L. Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Laboratories,
//! HPL-98-69 (R.1), 1998.

use crate::policy::{Policy, PolicyError};
use crate::trace::Request;
use std::collections::BTreeSet;

/// An image's place in the order of eviction: a priority as the bits of a positive double, which sort like the number, and the
/// time of its last use.
type Rank = (u64, u64);

pub(super) struct Frequency {
    is_gdsf: bool,
    clock: f64,
    order: BTreeSet<(Rank, u32)>,
    ranks: Vec<Option<Rank>>,
    uses: Vec<u64>,
}

impl Frequency {
    pub fn lfu(images: usize) -> Self {
        Frequency::new(images, false)
    }

    pub fn gdsf(images: usize) -> Self {
        Frequency::new(images, true)
    }

    fn new(images: usize, is_gdsf: bool) -> Self {
        Frequency {
            is_gdsf,
            clock: 0.0,
            order: BTreeSet::new(),
            ranks: vec![None; images],
            uses: vec![0; images],
        }
    }

    fn place(&mut self, request: &Request) {
        self.take(request.image);
        let image = request.image as usize;
        self.uses[image] += 1;
        let uses = self.uses[image] as f64;
        let priority = match self.is_gdsf {
            true => self.clock + uses / request.size.max(1) as f64,
            false => uses,
        };
        let rank = (priority.to_bits(), request.at);
        self.ranks[image] = Some(rank);
        self.order.insert((rank, request.image));
    }

    fn take(&mut self, image: u32) {
        if let Some(rank) = self.ranks[image as usize].take() {
            self.order.remove(&(rank, image));
        }
    }
}

impl Policy for Frequency {
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.place(request);
        Ok(())
    }

    fn insert(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.uses[request.image as usize] = 0;
        self.place(request);
        Ok(())
    }

    fn evict(&mut self, _: &Request, _: u64) -> Result<Option<u32>, PolicyError> {
        let Some(&((priority, _), image)) = self.order.first() else { return Ok(None) };
        self.clock = f64::from_bits(priority);
        self.take(image);
        Ok(Some(image))
    }

    fn remove(&mut self, request: &Request) -> Result<(), PolicyError> {
        self.take(request.image);
        Ok(())
    }
}
