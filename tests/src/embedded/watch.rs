//! What the process has while a call runs.

use super::process::{descriptors, say, threads};
use crate::Tested;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A thread of the library that is looked for, by its name and its short name in the kernel.
pub struct Watched {
    name: &'static str,
    most: AtomicUsize,
}

impl Watched {
    /// A thread of this name; the kernel keeps 15 bytes of it.
    pub fn named(name: &'static str) -> Watched {
        Watched { name, most: AtomicUsize::new(0) }
    }

    /// How many there were at the same time at most, as far as was seen.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn count(&self, threads: &[String]) {
        let short = self.name.get(..15).unwrap_or(self.name);
        let count = threads.iter().filter(|thread| *thread == short).count();
        self.most.fetch_max(count, Ordering::Relaxed);
    }
}

/// Runs a call, while another thread looks for these threads and counts descriptors again and again. Prints the most that it saw.
pub fn watch<T>(step: &str, watched: &[Watched], call: impl FnOnce() -> Tested<T>) -> Tested<T> {
    let (before, is_over) = (descriptors()?, AtomicBool::new(false));
    let look = || -> Result<usize, String> {
        let mut most = before;
        while !is_over.load(Ordering::Relaxed) {
            let found = threads().map_err(|error| error.to_string())?;
            watched.iter().for_each(|it| it.count(&found));
            most = most.max(descriptors().map_err(|error| error.to_string())?);
        }
        Ok(most)
    };
    let (result, most) = std::thread::scope(|scope| {
        let watcher = scope.spawn(look);
        let result = call();
        is_over.store(true, Ordering::Relaxed);
        (result, watcher.join())
    });
    let most = most.map_err(|_| "the watcher panicked")??;
    for it in watched {
        say(&format!("{step}-{}", it.name), it.most());
    }
    say(&format!("{step}-more-descriptors"), most - before);
    result
}
