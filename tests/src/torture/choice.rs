//! Which runs of a part are made.

use super::operation::{OPERATIONS, Operation};

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
    pub(super) fn operations(&self) -> impl Iterator<Item = &'static Operation> {
        let named = |operation: &&Operation| match self {
            Choice::Operation(name) => operation.name == *name,
            Choice::All | Choice::Sample { .. } => true,
        };
        OPERATIONS.iter().filter(named)
    }

    /// The chosen runs, in order.
    pub(super) fn of<T>(&self, all: Vec<T>) -> Vec<T> {
        let Choice::Sample { runs, seed } = *self else { return all };
        let mut numbers: Vec<usize> = (0..all.len()).collect();
        let random = crate::data::bytes(seed, all.len() * 8);
        let key = |n: &usize| random[n * 8..n * 8 + 8].to_vec();
        numbers.sort_by_cached_key(key);
        numbers.truncate(runs);
        let is_chosen = |n: usize| numbers.contains(&n);
        all.into_iter().enumerate().filter(|(n, _)| is_chosen(*n)).map(|(_, one)| one).collect()
    }
}
