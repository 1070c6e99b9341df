//! Reference policies, to compare a driver with. Each is the textbook's algorithm on numbers in memory, without a sandbox.

mod belady;
mod frequency;
mod lru;
mod queue;
mod s3_fifo;
mod sieve;
mod w_tiny_lfu;

use crate::policy::Policy;
use crate::trace::Trace;
use std::str::FromStr;

/// A reference policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// Evicts the least recently used image.
    Lru,
    /// Evicts the image that has been cached for the longest time.
    Fifo,
    /// Evicts the least frequently used image.
    Lfu,
    /// Greedy-Dual-Size-Frequency: evicts by frequency, age and size.
    Gdsf,
    /// Three static FIFO queues: a small one for new images, a main one, and one of evicted ids.
    S3Fifo,
    /// One FIFO queue with a hand that passes over images used since it came by.
    Sieve,
    /// A small LRU window in front of a segmented LRU, with admission by frequency.
    WTinyLfu,
    /// Evicts the image whose next request is furthest away. It reads the future, and is optimal only if all sizes are equal.
    Belady,
}

impl Reference {
    /// All of them.
    pub const ALL: [Reference; 8] = [
        Reference::Lru,
        Reference::Fifo,
        Reference::Lfu,
        Reference::Gdsf,
        Reference::S3Fifo,
        Reference::Sieve,
        Reference::WTinyLfu,
        Reference::Belady,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Reference::Lru => "lru",
            Reference::Fifo => "fifo",
            Reference::Lfu => "lfu",
            Reference::Gdsf => "gdsf",
            Reference::S3Fifo => "s3-fifo",
            Reference::Sieve => "sieve",
            Reference::WTinyLfu => "w-tinylfu",
            Reference::Belady => "belady",
        }
    }

    /// The name in results, which no driver can have.
    ///
    /// ```
    /// assert_eq!(image_cache_simulate::Reference::Lru.label(), "reference:lru");
    /// ```
    pub fn label(self) -> String {
        format!("reference:{}", self.name())
    }

    /// A policy without images, for a cache of `capacity` bytes.
    pub fn policy(self, trace: &Trace, capacity: u64) -> Box<dyn Policy> {
        let images = trace.images.len();
        match self {
            Reference::Lru => Box::new(lru::Lru::new(images)),
            Reference::Fifo => Box::new(lru::Lru::fifo(images)),
            Reference::Lfu => Box::new(frequency::Frequency::lfu(images)),
            Reference::Gdsf => Box::new(frequency::Frequency::gdsf(images)),
            Reference::S3Fifo => Box::new(s3_fifo::S3Fifo::new(images, capacity)),
            Reference::Sieve => Box::new(sieve::Sieve::new(images)),
            Reference::WTinyLfu => Box::new(w_tiny_lfu::WTinyLfu::new(images, capacity)),
            Reference::Belady => Box::new(belady::Belady::new(trace)),
        }
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Reference::ALL.into_iter().find(|reference| reference.name() == name);
        found.ok_or_else(|| {
            let names = Reference::ALL.map(Reference::name).join(", ");
            format!("there is no reference policy {name:?}; known are {names}")
        })
    }
}

#[cfg(test)]
mod tests;
