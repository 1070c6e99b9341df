//! The operations that a random sequence is made of.

use super::plain::IDS;
use proptest::prelude::*;
use std::ops::Range;

/// An image, by its index in [`IDS`].
pub type Id = usize;

/// The expected values of a fetched image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    Nothing,
    Right,
    WrongMd5,
    WrongSize,
}

/// How a fetch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// The source fails after the last byte.
    Fails,
    /// The reader is dropped at once.
    Dropped,
}

/// One fetch.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub id: Id,
    pub seed: u64,
    pub size: usize,
    pub chunk: usize,
    pub promise: Promise,
    pub ending: Ending,
    /// With `cache_image`, without a reader.
    pub drained: bool,
}

/// One step of a sequence.
#[derive(Debug, Clone)]
pub enum Operation {
    Fetch(Fetch),
    Read(Id),
    /// Reads this number of 256ths of an image.
    Abandon(Id, u8),
    ReadRange(Id, Range<u64>),
    Queue(Id),
    Dequeue(Id),
    Delete(Id),
    DeleteAll,
    DequeueAll,
    Prune,
    Clean,
    /// Reopens the cache with another limit, with or without a hit delay.
    Reopen(u64, bool),
}

/// Up to 70 operations, and whether to check the state after each.
pub fn sequence() -> impl Strategy<Value = Vec<(Operation, bool)>> {
    proptest::collection::vec((operation(), proptest::bool::weighted(0.06)), 1..70)
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = || 0..IDS.len();
    let range = (0..1500u64, 0..1500u64).prop_map(|(start, size)| start..start + size);
    let limit = prop_oneof![Just(0), 0..5000u64, Just(1 << 30)];
    prop_oneof![
        16 => fetch().prop_map(Operation::Fetch),
        9 => id().prop_map(Operation::Read),
        2 => (id(), any::<u8>()).prop_map(|(id, taken)| Operation::Abandon(id, taken)),
        3 => (id(), range).prop_map(|(id, range)| Operation::ReadRange(id, range)),
        5 => id().prop_map(Operation::Queue),
        2 => id().prop_map(Operation::Dequeue),
        5 => id().prop_map(Operation::Delete),
        1 => Just(Operation::DeleteAll),
        1 => Just(Operation::DequeueAll),
        4 => Just(Operation::Prune),
        2 => Just(Operation::Clean),
        3 => (limit, any::<bool>()).prop_map(|(limit, delayed)| Operation::Reopen(limit, delayed)),
    ]
}

fn fetch() -> impl Strategy<Value = Fetch> {
    let promise = prop_oneof![
        3 => Just(Promise::Nothing),
        3 => Just(Promise::Right),
        1 => Just(Promise::WrongMd5),
        1 => Just(Promise::WrongSize),
    ];
    let ending =
        prop_oneof![6 => Just(Ending::Whole), 1 => Just(Ending::Fails), 1 => Just(Ending::Dropped)];
    let size = prop_oneof![1 => Just(0usize), 6 => 1..1500usize];
    (0..IDS.len(), any::<u64>(), size, 1..600usize, promise, ending, any::<bool>()).prop_map(
        |(id, seed, size, chunk, promise, ending, drained)| {
            // Without a reader nothing can be dropped.
            let drained = drained && ending != Ending::Dropped;
            Fetch { id, seed, size, chunk, promise, ending, drained }
        },
    )
}
