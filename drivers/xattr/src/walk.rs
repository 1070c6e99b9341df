//! The cached files' ids in order, page by page, out of a directory that has none.

use image_cache_driver_sdk::types::Error;
use std::collections::{BinaryHeap, VecDeque};

/// Ids kept at once: a few MiB, and larger caches take one pass over the directory for each so many.
const MOST: usize = 65_536;

/// A list in progress. It goes on from memory where the next page follows the one before; any other page starts anew.
#[derive(Default)]
pub struct Walk {
    /// Ids still to come, ascending.
    ahead: VecDeque<String>,
    /// Whether the directory had more ids than were kept.
    more: bool,
    /// The last id taken, whether or not it was in the books.
    taken: Option<String>,
    /// The last id of the page before, where `ahead` belongs to.
    page_end: Option<String>,
    /// Whether `ahead` was read at all.
    read: bool,
}

impl Walk {
    /// Begins a page after an id, or at the front.
    pub fn start(&mut self, after: Option<String>) {
        if after.is_none() || after != self.page_end {
            *self = Walk { taken: after, ..Walk::default() };
        }
    }

    /// The next id, or none at the end. `pass` offers every cached file's id, in any order.
    pub fn next(
        &mut self,
        pass: impl FnOnce(&mut dyn FnMut(String)) -> Result<(), Error>,
    ) -> Result<Option<String>, Error> {
        if self.ahead.is_empty() && (self.more || !self.read) {
            let mut smallest = Smallest::new(self.taken.take(), MOST);
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

    /// Ends a page with its last id; a page of nothing ends the list.
    pub fn end(&mut self, last: Option<&str>) {
        match last {
            Some(last) => self.page_end = Some(last.to_string()),
            None => *self = Walk::default(),
        }
    }
}

/// The smallest ids above one, of ids in any order.
struct Smallest {
    /// The largest on top, so that it is the first to be dropped.
    heap: BinaryHeap<String>,
    after: Option<String>,
    most: usize,
    dropped: bool,
}

impl Smallest {
    fn new(after: Option<String>, most: usize) -> Self {
        Smallest { heap: BinaryHeap::new(), after, most, dropped: false }
    }

    fn offer(&mut self, id: String) {
        if self.after.as_ref().is_some_and(|after| id <= *after) {
            return;
        }
        if self.heap.len() < self.most {
            self.heap.push(id);
            return;
        }
        self.dropped = true;
        if let Some(mut largest) = self.heap.peek_mut()
            && id < *largest
        {
            *largest = id;
        }
    }

    fn into_sorted(self) -> (VecDeque<String>, bool) {
        (self.heap.into_sorted_vec().into(), self.dropped)
    }
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

    /// A page of at most `limit`, and how many passes over the directory it took.
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
    fn a_page_that_follows_no_other_starts_anew() {
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

    #[test]
    fn no_more_than_the_smallest_are_kept() {
        let mut smallest = Smallest::new(Some("b".into()), 2);
        ["e", "a", "d", "b", "c"].iter().for_each(|id| smallest.offer(id.to_string()));
        assert_eq!(smallest.into_sorted(), (VecDeque::from(["c".to_string(), "d".into()]), true));
    }
}
