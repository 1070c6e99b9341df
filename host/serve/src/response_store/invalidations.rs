//! Which images were invalidated, and when: a response proves nothing about a change after its request was sent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of images.
const MOST: usize = 10_000;

/// The number of invalidations at some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InvalidationEpoch(u64);

/// The last change of each image.
#[derive(Debug, Default)]
pub struct Invalidations(Mutex<LastChanges>);

#[derive(Debug, Default)]
struct LastChanges {
    last: u64,
    /// Up to this one, it is unknown which image was changed.
    forgotten: u64,
    of: HashMap<String, u64>,
}

impl Invalidations {
    /// The changes until now.
    pub fn until_now(&self) -> InvalidationEpoch {
        InvalidationEpoch(self.lock().last)
    }

    /// Records that an image has been changed.
    pub fn add(&self, id: &str) {
        let mut known = self.lock();
        if known.of.len() >= MOST {
            known.of.clear();
            known.forgotten = known.last;
        }
        known.last += 1;
        let last = known.last;
        known.of.insert(id.to_owned(), last);
    }

    /// Whether an image was changed since then, or may have been.
    pub fn is_changed_since(&self, id: &str, then: InvalidationEpoch) -> bool {
        let known = self.lock();
        known.of.get(id).copied().unwrap_or(known.forgotten) > then.0
    }

    fn lock(&self) -> MutexGuard<'_, LastChanges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_before_a_change_sees_it_even_if_it_was_forgotten() {
        let changes = Invalidations::default();
        let before = changes.until_now();
        changes.add("a");
        let after = changes.until_now();
        assert!(changes.is_changed_since("a", before) && !changes.is_changed_since("a", after));
        assert!(!changes.is_changed_since("b", before));
        for number in 0..=MOST {
            changes.add(&number.to_string());
        }
        assert!(changes.is_changed_since("a", before) && changes.lock().of.len() <= MOST);
        assert!(!changes.is_changed_since("a", changes.until_now()));
    }
}
