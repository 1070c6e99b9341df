//! The ids of the cached files in order, page by page, from the unordered directory.

use image_cache_driver_sdk::types::Error;
use std::collections::{BinaryHeap, VecDeque};

/// The maximum memory of the ids in bytes: 300,000 UUIDs, or 60,000 of the longest ids, within the host's bound of 64 MiB. Larger
/// caches need one pass over the directory for each such number of ids.
const ROOM: usize = 16 << 20;

/// The memory of an id in addition to its characters: the string itself and the allocator's overhead.
const BESIDE: usize = size_of::<String>() + 8;

/// A list in progress. If the next page follows the previous one, the list continues from memory; any other page starts again.
#[derive(Default)]
pub struct Walk {
    /// The remaining ids, ascending.
    ahead: VecDeque<String>,
    /// Whether the directory had more ids than fit into memory.
    more: bool,
    /// The last id that was taken, whether or not it was in the records.
    taken: Option<String>,
    /// The last id of the previous page; `ahead` continues after it.
    page_end: Option<String>,
    /// Whether `ahead` was read.
    read: bool,
}

impl Walk {
    /// Begins a page after an id, or at the beginning.
    pub fn start(&mut self, after: Option<String>) {
        if after.is_none() || after != self.page_end {
            *self = Walk { taken: after, ..Walk::default() };
        }
    }

    /// The next id, or none at the end. `pass` offers the ids of all cached files, in any order.
    pub fn next(
        &mut self,
        pass: impl FnOnce(&mut dyn FnMut(String)) -> Result<(), Error>,
    ) -> Result<Option<String>, Error> {
        if self.ahead.is_empty() && (self.more || !self.read) {
            let mut smallest = Smallest::new(self.taken.take(), ROOM);
            let outcome = pass(&mut |id| smallest.offer(id));
            let after = smallest.after.take();
            self.taken = after;
            outcome?;
            (self.ahead, self.more) = smallest.into_sorted();
            self.read = true;
        }
        let next = self.ahead.pop_front();
        if next.is_some() {
            self.taken.clone_from(&next);
        }
        Ok(next)
    }

    /// Ends a page with its last id; an empty page ends the list.
    pub fn end(&mut self, last: Option<&str>) {
        match last {
            Some(last) => self.page_end = Some(last.to_string()),
            None => *self = Walk::default(),
        }
    }
}

/// Selects the smallest ids after a given id, from ids in any order.
struct Smallest {
    /// The largest id is on top, so that it is dropped first.
    heap: BinaryHeap<String>,
    after: Option<String>,
    /// The maximum memory of all ids in bytes, and the used memory.
    room: usize,
    taken: usize,
    dropped: bool,
}

impl Smallest {
    fn new(after: Option<String>, room: usize) -> Self {
        Smallest { heap: BinaryHeap::new(), after, room, taken: 0, dropped: false }
    }

    /// Keeps an id if it is among the smallest; one id is always kept, whatever its size.
    fn offer(&mut self, id: String) {
        let is_past = |after: &String| id <= *after;
        let is_beyond = |largest: &String| self.dropped && id >= *largest;
        if self.after.as_ref().is_some_and(is_past) || self.heap.peek().is_some_and(is_beyond) {
            return;
        }
        self.taken += room_of(&id);
        self.heap.push(id);
        while self.taken > self.room && self.heap.len() > 1 {
            self.taken -= self.heap.pop().map_or(0, |largest| room_of(&largest));
            self.dropped = true;
        }
    }

    fn into_sorted(self) -> (VecDeque<String>, bool) {
        (self.heap.into_sorted_vec().into(), self.dropped)
    }
}

fn room_of(id: &str) -> usize {
    id.len() + BESIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pass<'a> = &'a mut dyn FnMut(String);

    fn directory<'a>(
        ids: &'a [&str],
        passes: &'a mut u32,
    ) -> impl FnOnce(Pass) -> Result<(), Error> + 'a {
        *passes += 1;
        move |offer| {
            ids.iter().for_each(|id| offer(id.to_string()));
            Ok(())
        }
    }

    /// A page of at most `limit` ids, and the number of passes over the directory that it needed.
    fn page(
        walk: &mut Walk,
        ids: &[&str],
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<String>, u32) {
        let (mut page, mut passes) = (Vec::new(), 0);
        walk.start(after.map(str::to_string));
        while page.len() < limit {
            let next =
                walk.next(|offer| directory(ids, &mut passes)(offer)).expect("no pass fails");
            let Some(id) = next else { break };
            page.push(id);
        }
        walk.end(page.last().map(String::as_str));
        (page, passes)
    }

    #[test]
    fn pages_ascend_and_one_pass_serves_them_all() {
        let ids = ["d", "a", "é", "B", "c"];
        let mut walk = Walk::default();
        assert_eq!(page(&mut walk, &ids, None, 2), (vec!["B".into(), "a".into()], 1));
        assert_eq!(page(&mut walk, &ids, Some("a"), 2), (vec!["c".into(), "d".into()], 0));
        assert_eq!(page(&mut walk, &ids, Some("d"), 2), (vec!["é".into()], 0));
        assert_eq!(page(&mut walk, &ids, Some("é"), 2), (vec![], 0));
    }

    #[test]
    fn a_page_that_follows_no_other_starts_a_new_list() {
        let mut walk = Walk::default();
        assert_eq!(page(&mut walk, &["a", "b", "c"], None, 1).0, ["a"]);
        assert_eq!(page(&mut walk, &["a", "b", "c"], Some("b"), 1), (vec!["c".into()], 1));
        assert_eq!(
            page(&mut walk, &["a", "b", "c"], None, 9),
            (vec!["a".into(), "b".into(), "c".into()], 1)
        );
        assert_eq!(page(&mut walk, &["a"], Some("no such"), 9), (vec![], 1));
    }

    #[test]
    fn a_pass_that_fails_is_made_again_from_the_same_place() {
        let mut walk = Walk::default();
        walk.start(Some("a".into()));
        assert_eq!(walk.next(|_| Err(Error::Busy)), Err(Error::Busy));
        let mut passes = 0;
        let next = walk.next(|offer| directory(&["a", "b"], &mut passes)(offer));
        assert_eq!(next, Ok(Some("b".into())));
    }

    fn kept(room: usize, ids: &[&str]) -> (Vec<String>, bool) {
        let mut smallest = Smallest::new(Some("b".into()), room);
        ids.iter().for_each(|id| smallest.offer(id.to_string()));
        let (kept, dropped) = smallest.into_sorted();
        (kept.into(), dropped)
    }

    #[test]
    fn no_more_than_the_smallest_are_kept() {
        let (ids, room) = (["e", "a", "d", "b", "c", "f"], 2 * room_of("a"));
        assert_eq!(kept(room, &ids), (vec!["c".to_string(), "d".into()], true));
        assert_eq!(kept(room, &["e", "b", "d"]), (vec!["d".to_string(), "e".into()], false));
        assert_eq!(kept(0, &ids), (vec!["c".to_string()], true));
    }

    #[test]
    fn a_long_id_leaves_room_for_fewer_and_none_between_is_left_out() {
        let long = format!("d{}", "x".repeat(2 * BESIDE));
        let room = room_of(&long) + room_of("c");
        // "e" would have fitted after the long id was dropped, but it is larger than the dropped id.
        let ids = ["f", &long, "c", "ca", "e"];
        assert_eq!(kept(room, &ids), (vec!["c".to_string(), "ca".into()], true));
    }
}
