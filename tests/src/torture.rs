//! The torture tests of the real programs: kills, faults and power losses at every system call that changes anything.
//!
//! `cargo xtask torture` runs all of them; `tests/torture/` runs a sample.

mod call;
mod disk;
mod fault_matrix;
mod full_disk;
mod invariants;
mod log;
mod matrix;
mod operation;
mod points;
mod power;
mod sandbox;
mod tracer;

pub use matrix::Matrix;
pub use operation::LINKED;
pub use sandbox::Programs;

use crate::Tested;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A kind of torture test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The program is killed before each call that changes anything.
    Crash,
    /// Each call fails with each error that it can return; writes are also short.
    Fault,
    /// Every state that a power loss could leave on disk.
    Power,
    /// Every amount of free space on the disk.
    Disk,
}

impl Part {
    /// All kinds.
    pub const ALL: [Part; 4] = [Part::Crash, Part::Fault, Part::Power, Part::Disk];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Crash => "crash",
            Part::Fault => "fault",
            Part::Power => "power",
            Part::Disk => "disk",
        }
    }

    /// Runs its tests.
    pub fn run(self, programs: &Programs, choice: &Choice) -> Tested<Matrix> {
        match self {
            Part::Crash => fault_matrix::matrix(programs, fault_matrix::Injection::Kill, choice),
            Part::Fault => fault_matrix::matrix(programs, fault_matrix::Injection::Fault, choice),
            Part::Power => power::power(programs, choice),
            Part::Disk => full_disk::full_disk(programs, choice),
        }
    }
}

/// Whether programs can be traced on this machine; if not, prints the reason.
pub fn is_possible() -> bool {
    struct Nobody;
    impl tracer::Watcher for Nobody {
        fn enter(&mut self, _: &call::Call) -> tracer::Act {
            tracer::Act::Go
        }
        fn leave(&mut self, _: &call::Call, _: i64) {}
    }
    match tracer::run(&mut std::process::Command::new("/bin/true"), &mut Nobody) {
        Ok(tracer::End::Code(0)) => true,
        other => {
            crate::skip(&format!("programs cannot be traced (ptrace) here: {other:?}"));
            false
        }
    }
}

/// The selection of runs.
#[derive(Debug, Clone)]
pub enum Choice {
    /// All.
    All,
    /// All runs of one operation.
    Operation(String),
    /// A number of runs, chosen by the seed.
    Sample {
        /// The number.
        runs: usize,
        /// The seed: the same seed chooses the same runs.
        seed: u64,
    },
}

impl Choice {
    /// The operations that have runs.
    fn operations(&self) -> impl Iterator<Item = &'static operation::Operation> {
        let named = |operation: &&operation::Operation| match self {
            Choice::Operation(name) => operation.name == *name,
            Choice::All | Choice::Sample { .. } => true,
        };
        operation::OPERATIONS.iter().filter(named)
    }

    /// The chosen runs, in order.
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

/// Runs all jobs with as many threads as there are processors; an error counts as a failure.
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
