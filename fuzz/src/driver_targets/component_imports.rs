//! A component's imports: a second parser counts the same names, no name corrupts a log, and a grant only removes faults.

use super::super::import_check::ComponentNames;
use image_cache_model::{Grant, hides};
use std::collections::BTreeSet;

/// Maximum length of a name that is shown, including the mark that it was cut.
const MAX_SHOWN: usize = 203;

/// Sections of a component.
const IMPORTS: u8 = 10;
const EXPORTS: u8 = 11;

/// The input is a component's bytes.
pub fn check(data: &[u8]) {
    let names = match ComponentNames::read(data) {
        Ok(names) => names,
        Err(fault) => {
            let why = fault.to_string();
            assert!(!why.is_empty() && why.len() < 4096, "{} bytes", why.len());
            return;
        }
    };
    assert_eq!(names.imports.len() as u64, count(data, IMPORTS), "imports");
    assert_eq!(names.exports.len() as u64, count(data, EXPORTS), "exports");
    for name in names.imports.iter().chain(&names.exports) {
        assert!(name.len() <= MAX_SHOWN && !name.chars().any(hides), "{name:?}");
    }
    let none = names.faults("mine", &BTreeSet::new());
    let all = names.faults("mine", &Grant::ALL.iter().copied().collect());
    let mut needed = names.needed_grants();
    // A build without WASI refuses it, granted or not.
    needed.retain(|grant| cfg!(feature = "wasi") || *grant != Grant::Wasi);
    let granted = names.faults("mine", &needed);
    assert_eq!(granted, all, "further grants make no difference");
    assert!(all.len() + usize::from(!needed.is_empty()) == none.len(), "{none:?}, then {all:?}");
    for grant in &needed {
        let fewer = needed.iter().filter(|other| *other != grant).copied().collect();
        assert!(names.faults("mine", &fewer).len() > all.len(), "{grant} is not needed");
    }
    assert!(all.len() < 1002, "a fault per name, and one for the missing export");
}

/// The number of items in the sections of a kind, according to their headers, in the outermost component only.
fn count(data: &[u8], kind: u8) -> u64 {
    let (mut sum, mut rest) = (0, data.get(8..).unwrap_or_default());
    while let Some((id, after)) = rest.split_first() {
        let Some((len, after)) = number(after) else { break };
        let Some((content, after)) =
            usize::try_from(len).ok().and_then(|len| after.split_at_checked(len))
        else {
            break;
        };
        if *id == kind {
            sum += number(content).map_or(0, |(items, _)| items);
        }
        rest = after;
    }
    sum
}

/// A number in LEB128.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let (digits, rest) = bytes.split_at(end + 1);
    Some((digits.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)), rest))
}
