//! A random sequence of calls: after each, the records are those of a model. The seed decides the sequence.

use super::failure::{Failure, Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, checksum, id};
use image_cache_model::{CacheSize, CachedImage, ChecksumAlgorithm};
use std::collections::{BTreeMap, BTreeSet};

/// Calls in a sequence.
const CALLS: u64 = 200;

/// Names of images: few, so that the calls of a sequence meet the same images.
const NAMES: [&str; 8] = ["a", "b", "B", "a-b", "a b", "é", "0", "00"];

pub(super) fn a_random_sequence_of_calls_leaves_the_records_of_a_model(
    fixture: Fixture,
) -> Verdict {
    let seed = fixture.seed;
    let mut sequence = Sequence { fixture, random: Random(seed), records: BTreeMap::new() };
    for call in 1..=CALLS {
        let (what, verdict) = sequence.call(call.cast_signed());
        verdict.map_err(|Failure { expected, found }| {
            let place = format!("after call {call} ({what}) of the sequence with the seed {seed}");
            Failure::new(format!("{place}: {expected}"), found)
        })?;
    }
    Ok(())
}

/// The driver, and what its records must be.
struct Sequence {
    fixture: Fixture,
    random: Random,
    records: BTreeMap<&'static str, CachedImage>,
}

impl Sequence {
    /// Makes one call at this second, and compares the records.
    fn call(&mut self, second: i64) -> (&'static str, Verdict) {
        let (what, made) = match self.random.below(8) {
            0..3 => ("record-cached", self.record(second)),
            3..6 => ("record-hits", self.hit(second)),
            6 => ("forget", self.forget()),
            _ => ("select-victims", self.select_victims()),
        };
        (what, made.and_then(|()| self.compare()))
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.random.below(NAMES.len())]
    }

    /// A new record, or one that replaces another.
    fn record(&mut self, second: i64) -> Verdict {
        let name = self.name();
        let digits = ['0', '7', 'f'];
        let checksum = match self.random.below(4) {
            3 => None,
            digit => Some(checksum(ChecksumAlgorithm::Sha256, digits[digit])),
        };
        let size = self.random.below(5000) as u64;
        let image = CachedImage::new(id(name), size, at(second - 60))
            .with_last_accessed(at(second))
            .with_checksum(checksum);
        self.fixture.add(&image)?;
        self.records.insert(name, image);
        Ok(())
    }

    /// Some hits in one call, also of images without a record, and late ones.
    fn hit(&mut self, second: i64) -> Verdict {
        let mut hits = Vec::new();
        for _ in 0..=self.random.below(4) {
            let (name, late) = (self.name(), self.random.below(20).cast_signed() as i64);
            let time = at(second - late);
            hits.push((name, time));
            if let Some(image) = self.records.get_mut(name) {
                image.hits += 1;
                image.last_accessed = image.last_accessed.max(time);
            }
        }
        // The host passes them oldest first.
        hits.sort_by_key(|(_, time)| *time);
        self.fixture.hits(&hits)
    }

    /// One or two images, also some without a record.
    fn forget(&mut self) -> Verdict {
        let names: BTreeSet<&str> = [self.name(), self.name()].into();
        for name in names.iter().copied() {
            let known = self.records.remove(name).is_some();
            if known {
                self.fixture.remove(&[name])?;
            }
        }
        self.fixture.forget(&Vec::from_iter(names))
    }

    /// All images are named, if all bytes and more are needed.
    fn select_victims(&mut self) -> Verdict {
        let victims = self.fixture.victim_ids(u64::MAX, &[], 1000)?;
        let named: BTreeSet<&str> = victims.iter().map(String::as_str).collect();
        equal("the victims for all bytes", &named, &self.records.keys().copied().collect())?;
        equal("the number of victims", &victims.len(), &self.records.len())
    }

    fn compare(&self) -> Verdict {
        let all: Vec<CachedImage> = self.records.values().cloned().collect();
        equal("the list", &self.fixture.list()?, &all)?;
        let (images, bytes) = (all.len() as u64, all.iter().map(|image| image.size).sum());
        equal("images and bytes", &self.fixture.size()?, &CacheSize { images, bytes })?;
        NAMES.iter().try_for_each(|name| {
            let record = self.fixture.get(name)?;
            equal(&format!("the record of {name:?}"), &record.as_ref(), &self.records.get(name))
        })
    }
}

/// Numbers from a seed: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // The remainder is less than the bound.
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
