//! Groups hits by image.

use crate::Hit;
use std::collections::BTreeMap;

/// The hits of one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageHits {
    /// Their number.
    pub count: u64,
    /// The time of the latest hit, in microseconds since 1970.
    pub latest: u64,
}

/// Groups hits by image, so that a driver writes the record of each image once.
///
/// ```
/// use image_cache_driver_sdk::{Hit, ImageHits, hits_by_image};
/// let hit = |id: &str, at| Hit { image_id: id.into(), at };
/// let images = hits_by_image(vec![hit("a", 5), hit("b", 6), hit("a", 7)]);
/// assert_eq!(images["a"], ImageHits { count: 2, latest: 7 });
/// assert_eq!(images["b"], ImageHits { count: 1, latest: 6 });
/// ```
pub fn hits_by_image(hits: Vec<Hit>) -> BTreeMap<String, ImageHits> {
    let mut images: BTreeMap<String, ImageHits> = BTreeMap::new();
    for hit in hits {
        let image = images.entry(hit.image_id).or_default();
        image.count += 1;
        image.latest = image.latest.max(hit.at);
    }
    images
}
