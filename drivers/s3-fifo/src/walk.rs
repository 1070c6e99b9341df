//! What evictions do to the queues, in memory: the tables are read page by page, and nothing is changed.

use crate::state::{Shares, Sizes};
use image_cache_driver_sdk::types::Error;
use std::collections::VecDeque;

/// Uses in the small queue after which an image moves on to the main one.
pub const USES_TO_MOVE: u8 = 2;

/// Entries that went round, at most, so that an instance has enough memory: then the next one is evicted although it was used.
const MAX_TAIL: usize = 100_000;

/// Entries in the first page of a queue, and at most in a page; each is so many times as long as the one before. Most evictions
/// need only a few, and an entry that is not needed costs as much as one that is.
const FIRST_PAGE: u32 = 4;
const PAGE: u32 = 2000;
const GROWTH: u32 = 4;

/// An image in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub place: i64,
    pub image_id: String,
    pub size: u64,
    pub uses: u8,
}

/// Evictions one after the other. `Q` returns a page of a queue: of the main one or not, after a place, of at most so many entries.
pub struct Walk<Q> {
    query: Q,
    small: Unread,
    main: Unread,
    /// Entries that moved to the end of the main queue.
    tail: VecDeque<Entry>,
    sizes: Sizes,
    shares: Shares,
}

/// The rest of a queue in the tables.
struct Unread {
    is_main: bool,
    after: i64,
    page: VecDeque<Entry>,
    /// The length of the next page; 0 if there is none.
    limit: u32,
}

impl Unread {
    fn new(is_main: bool) -> Unread {
        Unread { is_main, after: i64::MIN, page: VecDeque::new(), limit: FIRST_PAGE }
    }

    fn pop<Q>(&mut self, query: &mut Q) -> Result<Option<Entry>, Error>
    where
        Q: FnMut(bool, i64, u32) -> Result<Vec<Entry>, Error>,
    {
        if self.page.is_empty() && self.limit > 0 {
            let page = query(self.is_main, self.after, self.limit)?;
            let is_last = page.len() < self.limit as usize;
            self.limit = if is_last { 0 } else { (self.limit * GROWTH).min(PAGE) };
            self.after = page.last().map_or(self.after, |last| last.place);
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }
}

impl<Q> Walk<Q>
where
    Q: FnMut(bool, i64, u32) -> Result<Vec<Entry>, Error>,
{
    pub fn new(sizes: Sizes, shares: Shares, query: Q) -> Walk<Q> {
        let (small, main) = (Unread::new(false), Unread::new(true));
        Walk { query, small, main, tail: VecDeque::new(), sizes, shares }
    }

    /// The next image to evict; `None` if there is none.
    pub fn next(&mut self) -> Result<Option<Entry>, Error> {
        let first = match self.sizes.begins_with_main(&self.shares) {
            true => self.evict_main()?,
            false => None,
        };
        if first.is_some() {
            return Ok(first);
        }
        match self.evict_small()? {
            None => self.evict_main(),
            some => Ok(some),
        }
    }

    /// Evicts from the small queue; images that were used move on.
    fn evict_small(&mut self) -> Result<Option<Entry>, Error> {
        while let Some(mut entry) = self.small.pop(&mut self.query)? {
            self.sizes.small = self.sizes.small.saturating_sub(entry.size);
            if entry.uses < USES_TO_MOVE {
                return Ok(Some(entry));
            }
            entry.uses = 0;
            self.requeue(entry);
        }
        Ok(None)
    }

    /// Evicts from the main queue; images that were used go round once more.
    fn evict_main(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            let entry = match self.main.pop(&mut self.query)? {
                Some(entry) => Some(entry),
                None => self.tail.pop_front(),
            };
            let Some(mut entry) = entry else { return Ok(None) };
            self.sizes.main = self.sizes.main.saturating_sub(entry.size);
            if entry.uses == 0 || self.tail.len() >= MAX_TAIL {
                return Ok(Some(entry));
            }
            entry.uses -= 1;
            self.requeue(entry);
        }
    }

    fn requeue(&mut self, entry: Entry) {
        self.sizes.main = self.sizes.main.saturating_add(entry.size);
        self.tail.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk through queues of 10 bytes each; a queue is given by the uses of its images.
    fn order(small: &[u8], main: &[u8], capacity: u64) -> Vec<String> {
        let queue = |letter: &str, uses: &[u8]| -> Vec<Entry> {
            let one = |(place, uses): (i64, &u8)| Entry {
                place,
                image_id: format!("{letter}{place}"),
                size: 10,
                uses: *uses,
            };
            (1..).zip(uses).map(one).collect()
        };
        let (small, main) = (queue("s", small), queue("m", main));
        let bytes = |queue: &[Entry]| queue.iter().map(|entry| entry.size).sum();
        let sizes = Sizes { small: bytes(&small), main: bytes(&main), ghost: 0 };
        let mut walk = Walk::new(sizes, Shares::of(capacity), |is_main, after, limit| {
            let queue = if is_main { &main } else { &small };
            let rest = queue.iter().filter(|entry| entry.place > after);
            Ok(rest.take(limit as usize).cloned().collect())
        });
        std::iter::from_fn(|| walk.next().expect("no query fails")).map(|it| it.image_id).collect()
    }

    #[test]
    fn images_that_were_used_twice_move_on() {
        // The main queue has room for all.
        assert_eq!(order(&[0, 2, 1], &[0], 1000), ["s1", "s3", "m1", "s2"]);
        assert_eq!(order(&[], &[], 1000), [""; 0]);
    }

    #[test]
    fn the_main_queue_goes_round() {
        assert_eq!(order(&[], &[2, 0, 1, 3], 1000), ["m2", "m3", "m1", "m4"]);
    }

    #[test]
    fn a_main_queue_above_its_share_is_first() {
        assert_eq!(order(&[0, 0], &[0, 1, 0], 30), ["m1", "s1", "s2", "m3", "m2"]);
    }

    #[test]
    fn long_queues_are_read_in_pages() {
        let all = order(&[0; 5000], &[], 1_000_000);
        assert_eq!((all.len(), all[4999].as_str()), (5000, "s5000"));
    }
}
