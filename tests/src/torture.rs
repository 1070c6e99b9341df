//! The torture of the real programs: killed, failed and short of power at every system call that changes anything.
//!
//! `cargo xtask torture` makes all runs; `tests/torture.rs` makes a sample of them.

mod call;
mod disk;
mod judge;
mod log;
mod matrix;
mod operation;
mod points;
mod power;
mod stage;
mod strike;
mod tracer;

pub use matrix::Matrix;
pub use power::power;
pub use stage::Programs;
pub use strike::{Blow, matrix};

use crate::Tested;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which of all runs are made.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// All.
    All,
    /// So many, chosen by the seed.
    Sample {
        /// How many.
        runs: usize,
        /// The same seed chooses the same runs.
        seed: u64,
    },
}

impl Choice {
    /// The chosen ones, in their order.
    fn of<T>(&self, all: Vec<T>) -> Vec<T> {
        let Choice::Sample { runs, seed } = *self else { return all };
        let mut numbers: Vec<usize> = (0..all.len()).collect();
        let random = crate::bytes(seed, all.len() * 8);
        let key = |n: &usize| random[n * 8..n * 8 + 8].to_vec();
        numbers.sort_by_cached_key(key);
        numbers.truncate(runs);
        let is_chosen = |n: usize| numbers.contains(&n);
        all.into_iter().enumerate().filter(|(n, _)| is_chosen(*n)).map(|(_, one)| one).collect()
    }
}

/// Works on all jobs with as many threads as there are processors; an error is one more thing that is wrong.
fn in_parallel<T: Sync>(
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
