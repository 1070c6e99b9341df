//! What is known of an image while it is fetched.

use super::{Changes, Fetch, Known, Labels, fetch};
use crate::label::Label;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Labels {
    /// A fetch is about to begin, of which this is known since it was asked for; answers its number. While another fetch
    /// fills the cache, what is known of that one stays.
    pub fn expect(&self, id: &str, label: Arc<Label>, asked: Changes) -> u64 {
        let number = self.fetches.fetch_add(1, Ordering::Relaxed);
        let mut known = self.known();
        let label = self.as_of(id, label, asked);
        match known.get_mut(id) {
            Some(Known::Expected(fetch)) if fetch.is_ours => fetch.has_rival = true,
            _ => {
                known.insert(id.to_owned(), Known::Expected(Fetch::new(number, label)));
            }
        }
        number
    }

    /// Says of an image that was changed since it was asked for that it is invalid. For who holds the lock on what is known:
    /// a change that is not seen here finds the fetch there.
    fn as_of(&self, id: &str, mut label: Arc<Label>, asked: Changes) -> Arc<Label> {
        if self.invalidations.is_changed_since(id, asked) {
            Arc::make_mut(&mut label).is_invalid = true;
        }
        label
    }

    /// The fetch fills the cache: what is known of it is true of the file that it fills.
    pub fn promise(&self, id: &str, number: u64, label: &Arc<Label>, asked: Changes) {
        let mut known = self.known();
        let label = match fetch(&mut known, id, number) {
            Some(fetch) => {
                fetch.is_ours = true;
                Arc::clone(&fetch.label)
            }
            None => {
                let label = self.as_of(id, Arc::clone(label), asked);
                let fetch = Fetch { is_ours: true, ..Fetch::new(number, Arc::clone(&label)) };
                known.insert(id.to_owned(), Known::Expected(fetch));
                label
            }
        };
        drop(known);
        self.promises.make(id, &label);
    }

    /// What is known of a fetch is not true of what is cached or fills the cache; answers whether anything was.
    pub fn disown(&self, id: &str, number: u64) -> bool {
        let mut known = self.known();
        fetch(&mut known, id, number).is_some() && known.remove(id).is_some()
    }
}
