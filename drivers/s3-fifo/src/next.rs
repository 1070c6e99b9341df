//! The next eviction, found with the indexes of the queues in one query. [`Walk`](crate::walk::Walk) finds the same by reading the
//! queues, and more than one; a query for each eviction is faster.

use crate::state::{Shares, Sizes};
use crate::tables;
use crate::walk::{Entry, USES_TO_MOVE};
use image_cache_driver_sdk::prelude::*;

/// In the small queue, the first image that was not used twice; in the main queue, the first one that was not used. If every image
/// of that queue was used, `place` is NULL.
const NEXT: &str = "SELECT small_bytes, main_bytes, ghost_bytes, has_evicted, ghost.place, ghost.size, \
        (SELECT place FROM queue WHERE is_main = is_main_next AND moves = 1 ORDER BY place LIMIT 1), \
        queue.place, queue.image_id, queue.size, uses, is_main \
    FROM (SELECT *, (main_bytes > ?1 OR small_bytes = 0) AND EXISTS (SELECT 1 FROM queue WHERE is_main = 1) AS is_main_next \
        FROM state) \
    LEFT JOIN queue ON queue.place = \
        (SELECT place FROM queue WHERE is_main = is_main_next AND moves = 0 ORDER BY place LIMIT 1) \
    LEFT JOIN ghost ON ghost.place = \
        (SELECT place FROM ghost INDEXED BY ghost_by_place WHERE is_expected = 0 ORDER BY place LIMIT 1)";

/// The next eviction.
pub struct Next {
    pub sizes: Sizes,
    /// Whether anything has been evicted before.
    pub has_evicted: bool,
    /// The place and the size of the oldest image in the ghost queue.
    pub oldest_ghost: Option<(i64, u64)>,
    /// `None` if there is no image, or if only [`Walk`](crate::walk::Walk) can tell: images go round before one is evicted.
    pub image: Option<NextImage>,
}

/// The image that is evicted next.
pub struct NextImage {
    pub entry: Entry,
    pub is_main: bool,
    /// The place of the first image that moves when this one is evicted, because it is before it in its queue.
    pub first_moving: Option<i64>,
}

impl NextImage {
    /// Whether it is one that the ghost queue remembers.
    pub fn is_unused_in_small(&self) -> bool {
        !self.is_main && self.entry.uses < USES_TO_MOVE
    }
}

/// Reads what the next eviction is.
pub fn find(shares: &Shares) -> Result<Next, Error> {
    let row = tables::rows(NEXT, vec![integer(shares.main)])?.pop().unwrap_or_default();
    let column = |n: usize| row.get(n).map_or(0, unsigned);
    let sizes = Sizes { small: column(0), main: column(1), ghost: column(2) };
    let has_evicted = column(3) != 0;
    let oldest_ghost = match row.get(4..6) {
        Some([Value::Integer(place), size]) => Some((*place, unsigned(size))),
        _ => None,
    };
    let [_, _, _, _, _, _, moving, entry @ .., Value::Integer(is_main)] = row.as_slice() else {
        return Ok(Next { sizes, has_evicted, oldest_ghost, image: None });
    };
    let image = tables::entry(entry.to_vec()).map(|entry| NextImage {
        first_moving: match moving {
            Value::Integer(place) if *place < entry.place => Some(*place),
            _ => None,
        },
        entry,
        is_main: *is_main != 0,
    });
    Ok(Next { sizes, has_evicted, oldest_ghost, image })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::S3Fifo;
    use crate::walk::Walk;
    use image_cache_driver_sdk::testing::TestHost;

    /// A cache of this size in bytes with images of 10 bytes.
    fn host(bytes: u64) -> TestHost<S3Fifo> {
        let mut host = TestHost::<S3Fifo>::start(&[]).expect("it is configured");
        host.set_max_bytes(bytes).expect("it is configured again");
        host
    }

    /// A small generator of numbers (xorshift), so that a failure can be repeated.
    fn next_random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Ids of the images that the query and the walk find, if the query can tell.
    fn both(shares: &Shares) -> (Option<String>, Option<String>) {
        let next = find(shares).expect("the query succeeds");
        let mut walk = Walk::new(next.sizes, *shares, tables::page);
        let walked = walk.next().expect("the walk succeeds").map(|entry| entry.image_id);
        (next.image.map(|image| image.entry.image_id), walked)
    }

    #[test]
    fn the_query_finds_what_the_walk_finds() {
        for seed in 1..=20 {
            let (mut random, shares) = (seed, Shares::of(200));
            let mut host = host(200);
            let mut told = 0;
            for step in 0..400 {
                let image = format!("image-{}", next_random(&mut random) % 40);
                if host.record(&image).expect("it is read").is_some() {
                    host.hit(&image).expect("it is counted");
                    continue;
                }
                let held = host.driver().cache_size().expect("it is summed");
                if held.bytes >= 200 {
                    host.evict(1).expect("one is evicted");
                }
                host.admits(&image, Some(10)).expect("it is answered");
                host.cache(&image, 10).expect("it is recorded");
                let (found, walked) = both(&shares);
                told += u32::from(found.is_some());
                assert!(
                    found.is_none() || found == walked,
                    "seed {seed}, step {step}: {found:?}, {walked:?}"
                );
            }
            assert!(told > 50, "seed {seed}: the query told {told} times");
        }
    }

    #[test]
    fn where_every_image_was_used_only_the_walk_tells_and_an_eviction_goes_round() {
        let mut host = host(30);
        for image in ["a", "b", "c"] {
            host.cache(image, 10).expect("it is recorded");
            host.hit(image).expect("it is counted");
        }
        // All are larger than the small queue, so they are in the main one.
        assert_eq!(both(&Shares::of(30)), (None, Some("a".to_owned())));
        assert_eq!(host.evict(1).expect("one is evicted"), ["a"]);
        assert_eq!(host.victims(20).expect("they are named"), ["b", "c"]);
    }
}
