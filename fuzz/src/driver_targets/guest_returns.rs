//! A guest's return values: a second check of the interface's rules accepts exactly the same values,
//! and a value that is passed to a guest and returned is unchanged.

use super::super::convert;
use crate::bindings::exports::image_cache::driver::driver as wit;
use crate::bindings::image_cache::driver::types;
use image_cache_model::{Eviction, ImageId, Leftover, LeftoverState, system_time};
use std::collections::BTreeSet;

/// The first byte selects the call, the others are the return value.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() % 5 {
        0 => description(&mut input),
        1 => record(&mut input),
        2 => page(&mut input),
        3 => victims(&mut input),
        _ => leftovers(&mut input),
    }
}

fn description(input: &mut Input<'_>) {
    let (name, version) = (input.text(), input.text());
    let is_fit = |text: &str| {
        let is_shown = !text.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{200b}');
        (1..=64).contains(&text.len()) && is_shown
    };
    let given = wit::Description { name: name.clone(), version: version.clone() };
    if let Ok(checked) = convert::description(given) {
        assert!(is_fit(&name) && is_fit(&version), "{name:?} {version:?}");
        assert_eq!(checked, (name, version));
    }
}

fn record(input: &mut Input<'_>) {
    let Ok(asked) = input.text().parse::<ImageId>() else { return };
    let given = input.record();
    let should = is_record(&given) && given.image_id == asked.as_str();
    let checked = convert::record_of(&asked, Some(given.clone()));
    assert_eq!(checked.is_ok(), should, "{given:?}");
    let Ok(Some(image)) = checked else { return };
    let again = convert::record_of(&asked, Some(convert::image_to_guest(&image)));
    assert_eq!(again, Ok(Some(image)), "it returns changed");
}

fn page(input: &mut Input<'_>) {
    let (after, limit) = (input.text().parse::<ImageId>().ok(), u32::from(input.byte()) % 8);
    let given: Vec<_> = (0..input.count()).map(|_| input.record()).collect();
    let ids: Vec<&str> =
        after.iter().map(ImageId::as_str).chain(given.iter().map(|it| &*it.image_id)).collect();
    let is_ascending = ids.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes());
    let should = given.len() <= limit as usize && is_ascending && given.iter().all(is_record);
    let checked = convert::page(after.as_ref(), limit, given.clone());
    assert_eq!(checked.is_ok(), should, "{given:?} after {after:?}, at most {limit}");
    assert!(checked.is_err() || checked.is_ok_and(|page| page.len() == given.len()));
}

fn victims(input: &mut Input<'_>) {
    let exclude: Vec<ImageId> =
        (0..input.count()).filter_map(|_| input.text().parse().ok()).collect();
    let (now, limit) = (system_time(input.number()), u32::from(input.byte()) % 8);
    let bytes_needed = input.number();
    let asked = Eviction { now, bytes_needed, exclude: &exclude, limit, cached: None };
    let given: Vec<wit::Victim> = (0..input.count())
        .map(|_| wit::Victim { image_id: input.text(), size: input.number() })
        .collect();
    let ids: BTreeSet<&str> = given.iter().map(|victim| &*victim.image_id).collect();
    let is_valid = |victim: &wit::Victim| is_id(&victim.image_id) && is_number(victim.size);
    let should = given.len() <= limit as usize
        && ids.len() == given.len()
        && !exclude.iter().any(|id| ids.contains(id.as_str()))
        && given.iter().all(is_valid);
    assert_eq!(convert::victims(&asked, given.clone()).is_ok(), should, "{given:?} of {asked:?}");
}

fn leftovers(input: &mut Input<'_>) {
    let offered: Vec<Leftover> = (0..input.count())
        .filter_map(|_| {
            let image_id = input.text().parse().ok()?;
            let state = match input.byte() % 2 {
                0 => LeftoverState::Incomplete,
                _ => LeftoverState::Invalid,
            };
            Some(Leftover {
                image_id,
                state,
                size: input.number(),
                modified: system_time(input.number()),
            })
        })
        .collect();
    let mut given = convert::leftovers_to_guest(&offered);
    // Some are omitted, some are named twice, some are changed.
    let order: Vec<u8> = (0..input.count()).map(|_| input.byte()).collect();
    given = order.iter().filter_map(|at| given.get(usize::from(*at)).cloned()).collect();
    if input.byte() == 1 {
        given.extend(
            given.first().cloned().map(|first| wit::Leftover { image_id: input.text(), ..first }),
        );
    }
    let Ok(chosen) = convert::leftovers(&offered, &given) else { return };
    assert_eq!(chosen.len(), given.len(), "one is missing");
    for (at, leftover) in chosen.iter().enumerate() {
        assert!(offered.contains(leftover), "{leftover:?} was not offered");
        let is_same = |other: &Leftover| {
            (&other.image_id, other.state) == (&leftover.image_id, leftover.state)
        };
        assert!(!chosen[..at].iter().any(is_same), "{leftover:?} is removed twice");
    }
}

fn is_record(record: &types::CachedImage) -> bool {
    let is_checksum = |sum: &types::Checksum| {
        let digits = match sum.algorithm {
            types::ChecksumAlgorithm::Md5 => 32,
            types::ChecksumAlgorithm::Sha256 => 64,
            types::ChecksumAlgorithm::Sha512 => 128,
        };
        sum.value.len() == digits && sum.value.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    is_id(&record.image_id)
        && is_number(record.size)
        && is_number(record.hits)
        && record.checksum.as_ref().is_none_or(is_checksum)
}

fn is_id(text: &str) -> bool {
    text.parse::<ImageId>().is_ok()
}

fn is_number(number: u64) -> bool {
    number >> 63 == 0
}

/// Values from an input; zeros and empty texts after its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The number of items of a list.
    fn count(&mut self) -> u8 {
        self.byte() % 8
    }

    fn number(&mut self) -> u64 {
        let Some((first, rest)) = self.0.split_first_chunk::<8>() else { return 0 };
        self.0 = rest;
        u64::from_le_bytes(*first)
    }

    fn text(&mut self) -> String {
        let len = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn record(&mut self) -> types::CachedImage {
        types::CachedImage {
            image_id: self.text(),
            size: self.number(),
            hits: self.number(),
            last_accessed: self.number(),
            last_modified: self.number(),
            checksum: (self.byte() % 2 == 1).then(|| types::Checksum {
                algorithm: match self.byte() % 3 {
                    0 => types::ChecksumAlgorithm::Md5,
                    1 => types::ChecksumAlgorithm::Sha256,
                    _ => types::ChecksumAlgorithm::Sha512,
                },
                value: self.text(),
            }),
        }
    }
}
