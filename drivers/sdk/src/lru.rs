//! Selects the least recently accessed images from a stream of images, in one pass and with bounded memory.

use crate::{Eviction, Victim};
use std::collections::{BinaryHeap, HashSet};

/// Selects the images to evict from images in any order: the least recently accessed, of equals the smallest id, until their
/// sizes reach the needed bytes or there are enough of them. Keeps only images that it may have to return.
///
/// ```
/// use image_cache_driver_sdk::{Eviction, LruSelector};
/// let request = Eviction { now: 9, bytes_needed: 15, exclude: vec!["held".into()], limit: 100 };
/// let mut oldest = LruSelector::new(request);
/// for (id, size, accessed) in [("new", 10, 8), ("held", 10, 1), ("old", 10, 2), ("older", 10, 1)] {
///     oldest.offer(id, size, accessed);
/// }
/// let named: Vec<_> = oldest.into_victims().into_iter().map(|v| v.image_id).collect();
/// assert_eq!(named, ["older", "old"]);
/// ```
pub struct LruSelector {
    /// The youngest image is on top, so that it is dropped first.
    heap: BinaryHeap<(u64, String, u64)>,
    bytes: u128,
    bytes_needed: u128,
    exclude: HashSet<String>,
    limit: usize,
}

impl LruSelector {
    /// The request. If `bytes_needed` or `limit` is 0, there are no victims.
    pub fn new(request: Eviction) -> Self {
        LruSelector {
            heap: BinaryHeap::new(),
            bytes: 0,
            bytes_needed: request.bytes_needed.into(),
            exclude: request.exclude.into_iter().collect(),
            limit: request.limit as usize,
        }
    }

    /// Adds a candidate: `size` in bytes, `accessed` in any unit that grows with time.
    pub fn offer(&mut self, image_id: &str, size: u64, accessed: u64) {
        if self.bytes_needed == 0 || self.limit == 0 || self.exclude.contains(image_id) {
            return;
        }
        // Most images of a large cache are younger than all needed ones: these cost one comparison.
        let enough = self.bytes >= self.bytes_needed || self.heap.len() >= self.limit;
        if enough
            && self.heap.peek().is_some_and(|(a, id, _)| (*a, id.as_str()) < (accessed, image_id))
        {
            return;
        }
        self.heap.push((accessed, image_id.to_string(), size));
        self.bytes += u128::from(size);
        while let Some((_, _, youngest)) = self.heap.peek() {
            let left = self.bytes - u128::from(*youngest);
            if self.heap.len() <= self.limit && left < self.bytes_needed {
                break;
            }
            self.bytes = left;
            self.heap.pop();
        }
    }

    /// The victims, in eviction order.
    pub fn into_victims(self) -> Vec<Victim> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|(_, image_id, size)| Victim { image_id, size }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes_needed: u64, limit: u32) -> Eviction {
        Eviction { now: 0, bytes_needed, exclude: vec!["x".into()], limit }
    }

    /// The expected result: sort everything, and take images from the front.
    fn plainly(images: &[(String, u64, u64)], request: &Eviction) -> Vec<Victim> {
        let mut sorted: Vec<_> =
            images.iter().filter(|i| !request.exclude.contains(&i.0)).collect();
        sorted.sort_by_key(|i| (i.2, i.0.clone()));
        let (mut victims, mut bytes) = (Vec::new(), 0u64);
        for (image_id, size, _) in sorted {
            if bytes >= request.bytes_needed || victims.len() >= request.limit as usize {
                break;
            }
            bytes = bytes.saturating_add(*size);
            victims.push(Victim { image_id: image_id.clone(), size: *size });
        }
        victims
    }

    #[test]
    fn the_victims_are_the_same_as_with_a_full_sort() {
        let mut seed = 7u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for round in 0..500 {
            let count = random(60);
            let mut images: Vec<_> =
                (0..count).map(|n| (format!("image-{n}"), random(9), random(20))).collect();
            images.push(("x".into(), 3, 0));
            let needed = if round % 7 == 0 { u64::MAX } else { random(200) };
            let request = request(needed, random(40) as u32);
            let mut oldest = LruSelector::new(request.clone());
            images.iter().for_each(|(id, size, accessed)| oldest.offer(id, *size, *accessed));
            assert_eq!(
                oldest.into_victims(),
                plainly(&images, &request),
                "{request:?} of {images:?}"
            );
        }
    }

    #[test]
    fn nothing_needed_names_nothing() {
        for request in [request(0, 10), request(10, 0)] {
            let mut oldest = LruSelector::new(request);
            oldest.offer("a", 1, 1);
            assert!(oldest.into_victims().is_empty());
        }
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let mut oldest = LruSelector::new(request(u64::MAX, 10));
        oldest.offer("a", u64::MAX - 1, 1);
        oldest.offer("b", u64::MAX, 2);
        oldest.offer("c", u64::MAX, 3);
        assert_eq!(oldest.into_victims().len(), 2);
    }

    #[test]
    fn no_more_is_kept_than_may_be_named() {
        let mut oldest = LruSelector::new(request(u64::MAX, 3));
        (0..1000).for_each(|n| oldest.offer(&n.to_string(), 1, 1000 - n));
        assert_eq!(oldest.heap.len(), 3);
        assert_eq!(oldest.heap.capacity().min(16), oldest.heap.capacity());
    }
}
