//! Runs jobs on all processors.

use crate::Tested;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Runs all jobs with as many threads as there are processors; an error counts as a failure.
pub fn in_parallel<T: Sync>(
    jobs: &[T],
    work: impl Fn(&T) -> Tested<Vec<String>> + Sync,
) -> Vec<Vec<String>> {
    let results: Vec<Mutex<Vec<String>>> = jobs.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(n) else { return };
                    let wrong = work(job).unwrap_or_else(|error| vec![error.to_string()]);
                    *lock(&results[n]) = wrong;
                }
            });
        }
    });
    results.iter().map(|result| std::mem::take(&mut *lock(result))).collect()
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
